import type { EChartsCoreOption } from 'echarts/core';
import { axisNumbers, linearTicks, logTicks } from './ticks';
import { extent, pointsInView } from './series';
import type { ChartTheme } from './theme';

export interface ChartLine {
  id: string;
  name: string;
  /** Must not fall. */
  x: ArrayLike<number>;
  y: ArrayLike<number>;
  color: string;
  /**
   * `raw`: thin and faint under its smoothed `main`; `dotted`: with points (validation); `other`: another run;
   * `planned`: what is still to come; `filled`: with the area below; `steps`: a value of its own for each point, from halfway to halfway.
   */
  look: 'raw' | 'main' | 'dotted' | 'other' | 'planned' | 'filled' | 'steps';
  /** Written at the last point. */
  endLabel?: string;
  /** Head of its column in a saved table, where the name alone is not clear. */
  column?: string;
  /** Left out of the read-out. */
  silent?: boolean;
}

export interface ChartSpec {
  lines: readonly ChartLine[];
  log?: boolean;
  /** Ends of the x axis where the lines alone do not say (a run's total steps). */
  x?: { min?: number; max?: number };
  y?: { min?: number; max?: number };
  /** Horizontal lines with a name: a clipping norm, a baseline. */
  marks?: readonly { y: number; label: string; color: string; labelColor: string; at?: 'start' | 'end' }[];
  /** x from which on nothing has happened yet: a soft fill. */
  futureFrom?: number | null;
  futureColor?: string;
  /** Between a lower and an upper bound: an interval. */
  bands?: readonly { x: ArrayLike<number>; lower: ArrayLike<number>; upper: ArrayLike<number>; color: string }[];
  /** Most labels on the axes; 4 unless told. */
  ticks?: { x?: number; y?: number };
  formatX?: (value: number) => string;
  formatY?: (value: number) => string;
  margins?: Partial<Margins>;
}

export interface Margins {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

export interface ChartSize {
  width: number;
  height: number;
}

/** Where values lie: in data units, the y ends already transformed where the axis is logarithmic. */
export interface ChartScales {
  x: [number, number];
  y: [number, number];
  xTicks: number[];
  yTicks: number[];
  margins: Margins;
  /** Pixel of the x axis. */
  bottom: number;
  toX(value: number): number;
  toY(value: number): number;
  fromX(pixel: number): number;
}

/** Width of a digit of the axis, and the least room between two labels; the last one is moved inwards by half of itself. */
const labelAdvance = 6.3;
const labelGap = 4;
const defaultMargins: Margins = { left: 36, right: 12, top: 8, bottom: 18 };

/** Ends, labels and pixel positions of a chart; `view` is the zoomed part of x, null for all. */
export function chartScales(spec: ChartSpec, view: [number, number] | null, size: ChartSize): ChartScales {
  const margins = { ...defaultMargins, ...spec.margins };
  const all = fullRange(spec);
  const x: [number, number] = view ?? all;
  const transform = spec.log ? Math.log10 : (value: number) => value;
  let low = Infinity;
  let high = -Infinity;
  const include = (range: [number, number] | null) => {
    if (!range) return;
    low = Math.min(low, range[0]);
    high = Math.max(high, range[1]);
  };
  // Without data the axes stand alone: labels would be made up.
  const isEmpty = spec.lines.every((line) => line.silent || line.x.length === 0);
  for (const line of spec.lines) {
    const range = extent(line, x[0], x[1]);
    if (range && spec.log && range[0] <= 0) include([smallestPositive(line.y), Math.max(range[1], Number.MIN_VALUE)]);
    else include(range);
  }
  for (const band of spec.bands ?? []) {
    include(extent({ x: band.x, y: band.lower }, x[0], x[1]));
    include(extent({ x: band.x, y: band.upper }, x[0], x[1]));
  }
  for (const mark of isEmpty ? [] : (spec.marks ?? [])) if (!spec.log || mark.y > 0) include([mark.y, mark.y]);
  if (low > high) [low, high] = spec.log ? [0.1, 1] : [0, 1];
  if (spec.y?.min !== undefined) low = Math.min(low, spec.y.min);
  if (spec.y?.max !== undefined) high = Math.max(high, spec.y.max);
  if (low === high) [low, high] = spec.log ? [low / 1.1, high * 1.1] : [low - (Math.abs(low) * 0.05 || 0.5), high + (Math.abs(high) * 0.05 || 0.5)];
  let y: [number, number] = [transform(low), transform(high)];
  const pad = (y[1] - y[0]) * 0.04;
  y = [spec.y?.min === low ? y[0] : y[0] - pad, y[1] + pad];
  const width = Math.max(1, size.width - margins.left - margins.right);
  const height = Math.max(1, size.height - margins.top - margins.bottom);
  const yCount = spec.ticks?.y ?? 4;
  const scaleTicks = () => (spec.log ? logTicks(10 ** y[0], 10 ** y[1], yCount).map(transform) : linearTicks(y[0], y[1], yCount));
  const yTicks = isEmpty ? [] : scaleTicks();
  return {
    x,
    y,
    xTicks: isEmpty ? [] : roomyTicks(x, spec.ticks?.x ?? 4, width, spec.formatX),
    yTicks,
    margins,
    bottom: margins.top + height,
    toX: (value) => margins.left + ((value - x[0]) / (x[1] - x[0])) * width,
    toY: (value) => margins.top + (1 - (transform(value) - y[0]) / (y[1] - y[0])) * height,
    fromX: (pixel) => x[0] + ((pixel - margins.left) / width) * (x[1] - x[0]),
  };
}

/** Labels of the x axis: as many as asked for, fewer where they would touch. */
function roomyTicks(x: [number, number], most: number, width: number, format?: (value: number) => string): number[] {
  for (let count = most; ; count--) {
    const ticks = linearTicks(x[0], x[1], count);
    if (ticks.length < 3 || count <= 1) return ticks;
    const widest = Math.max(...(format ? ticks.map(format) : axisNumbers(ticks)).map((label) => label.length)) * labelAdvance;
    if (((ticks[1]! - ticks[0]!) / (x[1] - x[0])) * width >= 1.5 * widest + labelGap) return ticks;
  }
}

/** The whole x range of a chart. */
export function fullRange(spec: ChartSpec): [number, number] {
  let low = spec.x?.min ?? Infinity;
  let high = spec.x?.max ?? -Infinity;
  for (const line of spec.lines) {
    if (line.x.length === 0) continue;
    if (spec.x?.min === undefined) low = Math.min(low, line.x[0]!);
    high = Math.max(high, line.x[line.x.length - 1]!);
  }
  if (!(low <= high)) return [0, 1];
  return low === high ? [low, low + 1] : [low, high];
}

function smallestPositive(y: ArrayLike<number>): number {
  let smallest = Infinity;
  for (let index = 0; index < y.length; index++) {
    const value = y[index]!;
    if (value > 0 && value < smallest) smallest = value;
  }
  return smallest === Infinity ? 1 : smallest;
}

/** Labels at the ends of lines, moved apart so that none covers another. */
export function placeEndLabels(labels: readonly { y: number }[], gap: number, top: number, bottom: number): number[] {
  const sorted = labels.map((label, index) => ({ index, y: label.y })).sort((a, b) => a.y - b.y);
  let previous = top - gap;
  for (const label of sorted) {
    label.y = Math.max(label.y, previous + gap);
    previous = label.y;
  }
  let next = bottom + gap;
  for (const label of [...sorted].reverse()) {
    label.y = Math.min(label.y, next - gap);
    next = label.y;
  }
  const placed = new Array<number>(labels.length);
  for (const label of sorted) placed[label.index] = label.y;
  return placed;
}

const looks = {
  raw: { width: 1, opacity: 0.28 },
  main: { width: 1.75, opacity: 1 },
  dotted: { width: 1.25, opacity: 1 },
  other: { width: 1.25, opacity: 0.75 },
  planned: { width: 1, opacity: 1 },
  filled: { width: 1.5, opacity: 1 },
  steps: { width: 1.5, opacity: 1 },
} as const;

/**
 * The ECharts option of a chart: a pure function of data, zoom, size and theme. Logarithmic axes are drawn as
 * linear ones over log10, because that lets them carry labels inside a decade.
 */
export function lineOption(spec: ChartSpec, view: [number, number] | null, size: ChartSize, theme: ChartTheme): EChartsCoreOption {
  const scales = chartScales(spec, view, size);
  const { margins } = scales;
  const transform = spec.log ? (value: number) => (value > 0 ? Math.log10(value) : NaN) : (value: number) => value;
  const pixels = Math.max(1, size.width - margins.left - margins.right);
  const yValues = spec.log ? scales.yTicks.map((tick) => Number((10 ** tick).toPrecision(10))) : scales.yTicks;
  const yLabels = spec.formatY ? yValues.map(spec.formatY) : axisNumbers(yValues);
  const xLabels = spec.formatX ? scales.xTicks.map(spec.formatX) : axisNumbers(scales.xTicks);
  const label = { color: theme.text3, fontFamily: theme.mono, fontSize: 10.5 };
  const series: Record<string, unknown>[] = [];
  (spec.bands ?? []).forEach((band, index) => series.push(...bandSeries(band, index, transform)));
  for (const line of spec.lines) {
    const look = looks[line.look];
    const data = pointsInView(line, scales.x[0], scales.x[1], pixels).map(([x, y]) => [x, transform(y)]);
    series.push({
      id: line.id,
      name: line.name,
      type: 'line',
      data,
      silent: true,
      animation: false,
      clip: true,
      symbol: 'circle',
      symbolSize: 3.4,
      showSymbol: line.look === 'dotted' && data.length * 9 <= pixels,
      showAllSymbol: true,
      ...(line.look === 'steps' && { step: 'middle' }),
      lineStyle: {
        color: line.color,
        width: look.width,
        opacity: look.opacity,
        ...((line.look === 'dotted' || line.look === 'planned') && { type: [2, 3] }),
        join: 'round',
      },
      itemStyle: { color: line.color, borderWidth: 0 },
      ...(line.look === 'filled' && { areaStyle: { color: line.color, opacity: 0.16 } }),
      z: line.look === 'raw' ? 2 : line.look === 'other' ? 3 : 4,
    });
  }
  series.push(furniture(spec, scales, theme));
  return {
    animation: false,
    backgroundColor: 'transparent',
    grid: { ...margins, containLabel: false, outerBoundsMode: 'none' },
    xAxis: {
      type: 'value',
      min: scales.x[0],
      max: scales.x[1],
      axisLine: { lineStyle: { color: theme.axis }, onZero: false },
      axisTick: { customValues: scales.xTicks, length: 3, lineStyle: { color: theme.axis } },
      splitLine: { show: false },
      axisLabel: {
        ...label,
        margin: 6,
        customValues: scales.xTicks,
        alignMinLabel: 'left',
        alignMaxLabel: 'right',
        formatter: (value: number) => xLabels[nearestTick(scales.xTicks, value)] ?? '',
      },
    },
    yAxis: {
      type: 'value',
      min: scales.y[0],
      max: scales.y[1],
      axisLine: { show: false },
      axisTick: { show: false, customValues: scales.yTicks },
      splitLine: { lineStyle: { color: theme.grid, width: 1 } },
      axisLabel: {
        ...label,
        margin: 6,
        customValues: scales.yTicks,
        formatter: (value: number) => yLabels[nearestTick(scales.yTicks, value)] ?? '',
      },
    },
    series,
  };
}

function nearestTick(ticks: readonly number[], value: number): number {
  let best = 0;
  for (let index = 1; index < ticks.length; index++) {
    if (Math.abs(ticks[index]! - value) < Math.abs(ticks[best]! - value)) best = index;
  }
  return best;
}

/** An interval as two stacked lines: the lower one unseen, the difference filled. */
function bandSeries(band: NonNullable<ChartSpec['bands']>[number], index: number, transform: (value: number) => number): Record<string, unknown>[] {
  const lower: [number, number][] = [];
  const difference: [number, number][] = [];
  for (let point = 0; point < band.x.length; point++) {
    const low = transform(band.lower[point]!);
    lower.push([band.x[point]!, low]);
    difference.push([band.x[point]!, transform(band.upper[point]!) - low]);
  }
  const base = { type: 'line', stack: `band-${index}`, stackStrategy: 'all', silent: true, animation: false, showSymbol: false, lineStyle: { opacity: 0 }, z: 1 };
  return [
    { ...base, id: `band-${index}-lower`, data: lower },
    { ...base, id: `band-${index}-upper`, data: difference, areaStyle: { color: band.color, opacity: 0.22 } },
  ];
}

/** Marks, the soft fill over what is to come, and names at the ends of lines, carried by one empty series. */
function furniture(spec: ChartSpec, scales: ChartScales, theme: ChartTheme): Record<string, unknown> {
  const transform = spec.log ? Math.log10 : (value: number) => value;
  const bottom = scales.bottom;
  const named = spec.lines.flatMap((line) => {
    if (!line.endLabel) return [];
    const last = lastFinite(line, scales.x[1]);
    return last ? [{ line, x: last[0], y: last[1], pixel: scales.toY(last[1]) }] : [];
  });
  const placed = placeEndLabels(named.map((one) => ({ y: one.pixel })), 13, scales.margins.top + 4, bottom - 4);
  return {
    id: 'furniture',
    type: 'line',
    data: [],
    silent: true,
    animation: false,
    markLine: {
      silent: true,
      animation: false,
      symbol: 'none',
      data: (scales.yTicks.length > 0 ? (spec.marks ?? []) : []).map((mark) => ({
        yAxis: transform(mark.y),
        lineStyle: { color: mark.color, type: [3, 3], width: 1, opacity: 1 },
        label: { show: true, position: mark.at === 'start' ? 'insideStartTop' : 'insideEndTop', distance: [0, 2], formatter: mark.label, color: mark.labelColor, fontFamily: theme.ui, fontSize: 10.5, backgroundColor: theme.pane, padding: [1, 2] },
      })),
    },
    markArea: {
      silent: true,
      animation: false,
      itemStyle: spec.futureColor ? { color: spec.futureColor } : { color: theme.fill, opacity: 0.45 },
      data: spec.futureFrom != null && spec.futureFrom < scales.x[1] ? [[{ xAxis: Math.max(spec.futureFrom, scales.x[0]) }, { xAxis: scales.x[1] }]] : [],
    },
    markPoint: {
      silent: true,
      animation: false,
      symbol: 'circle',
      symbolSize: 0.01,
      data: named.map((one, index) => ({
        coord: [one.x, transform(one.y)],
        label: {
          show: true,
          position: 'right',
          distance: 6,
          offset: [0, placed[index]! - one.pixel],
          formatter: one.line.endLabel,
          color: one.line.color,
          fontFamily: theme.mono,
          fontSize: 10.5,
        },
      })),
    },
  };
}

function lastFinite(line: ChartLine, to: number): [number, number] | null {
  for (let index = line.x.length - 1; index >= 0; index--) {
    if (line.x[index]! <= to && Number.isFinite(line.y[index]!)) return [line.x[index]!, line.y[index]!];
  }
  return null;
}
