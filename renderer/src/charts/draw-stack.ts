import { gateColor, type Theme } from './colors';
import { fittingText } from './mono-text';
import { hasWords, isUnknown, shownToken, shownValue, wordRows, wordSize, type Ruler, type TraceSignal } from './signals';
import type { ChartTheme } from './theme';

/** Steps in view: from `first`, `count` of them, each `columnWidth` px wide. */
export interface StepWindow {
  first: number;
  count: number;
  columnWidth: number;
}

export const textRulerHeight = 20;
export const wordRowHeight = 14;
export const seriesRulerHeight = 44;

export function rulerHeight(ruler: Ruler): number {
  if (ruler.kind === 'series') return seriesRulerHeight;
  return hasWords(ruler) ? wordRows * wordRowHeight : textRulerHeight;
}

/** Characters one per column, words over the columns that are free of others in their row, or the series as a line. Draws at the context's origin. */
export function drawRuler(context: CanvasRenderingContext2D, ruler: Ruler, view: StepWindow, theme: ChartTheme): void {
  if (hasWords(ruler)) return drawWords(context, ruler, view, theme);
  if (ruler.kind === 'text') {
    context.textAlign = 'center';
    context.textBaseline = 'middle';
    for (let column = 0; column < view.count; column++) {
      const text = ruler.texts[view.first + column];
      if (text === undefined) continue;
      const faint = isUnknown(text) || /^\s$/.test(text);
      context.font = `${faint ? 400 : 500} 12px ${theme.mono}`;
      context.fillStyle = faint ? theme.textDisabled : theme.text;
      context.fillText(shownToken(text), (column + 0.5) * view.columnWidth, textRulerHeight / 2 + 1);
    }
    return;
  }
  const range = finiteRange(ruler.values, view);
  const height = seriesRulerHeight - 12;
  if (!range) return;
  const toY = (value: number) => 2 + (1 - (value - range[0]) / (range[1] - range[0] || 1)) * (height - 4);
  context.strokeStyle = theme.grid;
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(0, height - 0.5);
  context.lineTo(view.count * view.columnWidth, height - 0.5);
  context.stroke();
  context.strokeStyle = theme.text;
  context.lineWidth = 1.25;
  context.lineJoin = 'round';
  context.beginPath();
  let open = false;
  for (let column = 0; column < view.count; column++) {
    const value = ruler.values[view.first + column];
    if (value === undefined || !Number.isFinite(value)) {
      open = false;
      continue;
    }
    const x = (column + 0.5) * view.columnWidth;
    if (open) context.lineTo(x, toY(value));
    else context.moveTo(x, toY(value));
    open = true;
  }
  context.stroke();
  context.font = `10px ${theme.mono}`;
  context.fillStyle = theme.text3;
  context.strokeStyle = theme.axis;
  context.textBaseline = 'alphabetic';
  const every = tickEvery(view);
  let free = -Infinity;
  for (let step = Math.ceil(view.first / every) * every; step < view.first + view.count; step += every) {
    const x = Math.round((step - view.first + 0.5) * view.columnWidth) + 0.5;
    context.beginPath();
    context.moveTo(x, height);
    context.lineTo(x, height + 3);
    context.stroke();
    const label = ruler.times?.[step] ?? String(step);
    const width = context.measureText(label).width;
    const left = Math.max(0, Math.min(view.count * view.columnWidth - width, x - width / 2));
    if (left < free) continue;
    free = left + width + 10;
    context.textAlign = 'left';
    context.fillText(label, left, seriesRulerHeight);
  }
}

/** A word begins at its own column; a hairline leads to it from the plates. */
function drawWords(context: CanvasRenderingContext2D, ruler: Ruler, view: StepWindow, theme: ChartTheme): void {
  if (ruler.kind !== 'text') return;
  context.textAlign = 'left';
  context.textBaseline = 'middle';
  context.font = `500 ${wordSize}px ${theme.mono}`;
  context.strokeStyle = theme.grid;
  context.lineWidth = 1;
  for (let column = 0; column < view.count; column++) {
    const step = view.first + column;
    const text = ruler.texts[step];
    if (text === undefined) continue;
    const left = column * view.columnWidth;
    const top = (step % wordRows) * wordRowHeight;
    context.beginPath();
    context.moveTo(left + 0.5, 0);
    context.lineTo(left + 0.5, top + wordRowHeight - 2);
    context.stroke();
    const room = Math.min(wordRows, view.count - column) * view.columnWidth - 5;
    context.fillStyle = isUnknown(text) ? theme.textDisabled : theme.text;
    context.fillText(fittingText(shownToken(text), room, wordSize), left + 3, top + wordRowHeight / 2);
  }
}

/** Steps between two labels of a series ruler: at least 110 px apart, on a round number. */
function tickEvery(view: StepWindow): number {
  const wanted = 110 / view.columnWidth;
  for (const every of [1, 2, 4, 6, 8, 12, 24, 48, 96, 168, 336, 500, 1000, 2000, 5000, 10_000]) if (every >= wanted) return every;
  return 50_000;
}

export function finiteRange(values: ArrayLike<number>, view: StepWindow): [number, number] | null {
  let low = Infinity;
  let high = -Infinity;
  for (let step = view.first; step < view.first + view.count; step++) {
    const value = values[step];
    if (value === undefined || !Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low <= high ? [low, high] : null;
}

/** The two groups of a unit's line charts: what lies in [0, 1] and what lies in [−1, 1]. */
export function lineGroups(signals: readonly TraceSignal[]): { kind: 'openness' | 'state'; signals: TraceSignal[] }[] {
  const groups = [
    { kind: 'openness' as const, signals: signals.filter((signal) => signal.scale === 'openness') },
    { kind: 'state' as const, signals: signals.filter((signal) => signal.scale !== 'openness') },
  ];
  return groups.filter((group) => group.signals.length > 0);
}

/** The line whose area is tinted and which is drawn strongest: f or z of the gates, c or h of the states. */
export function emphasised(signals: readonly TraceSignal[]): string {
  return ['f', 'z', 'c', 'h'].find((name) => signals.some((signal) => signal.name === name)) ?? signals[0]!.name;
}

/** One unit's signals over the steps in view, drawn as steps, never as slopes. */
export function drawUnitLines(
  context: CanvasRenderingContext2D,
  group: { kind: 'openness' | 'state'; signals: readonly TraceSignal[] },
  units: number,
  unit: number,
  view: StepWindow,
  height: number,
  theme: ChartTheme,
): void {
  const low = group.kind === 'openness' ? 0 : -1;
  const toY = (value: number) => 3 + (1 - (Math.min(1, Math.max(low, value)) - low) / (1 - low)) * (height - 6);
  const width = view.count * view.columnWidth;
  context.strokeStyle = theme.grid;
  context.lineWidth = 1;
  for (const tick of [low, (low + 1) / 2, 1]) {
    context.beginPath();
    context.moveTo(0, Math.round(toY(tick)) + 0.5);
    context.lineTo(width, Math.round(toY(tick)) + 0.5);
    context.stroke();
  }
  const strongest = emphasised(group.signals);
  const sorted = [...group.signals].sort((a, b) => Number(a.name === strongest) - Number(b.name === strongest));
  for (const signal of sorted) {
    const color = gateColor(signal.name, theme.name as Theme);
    const strong = signal.name === strongest;
    const line = new Path2D();
    const area = new Path2D();
    let open = false;
    for (let column = 0; column < view.count; column++) {
      const value = shownValue(signal, units, unit, view.first + column);
      if (!Number.isFinite(value)) {
        open = false;
        continue;
      }
      const x = column * view.columnWidth;
      const y = toY(value);
      if (open) line.lineTo(x, y);
      else line.moveTo(x, y);
      line.lineTo(x + view.columnWidth, y);
      if (strong) area.rect(x, Math.min(y, toY(0)), view.columnWidth, Math.abs(y - toY(0)));
      open = true;
    }
    if (strong) {
      context.globalAlpha = 0.13;
      context.fillStyle = color;
      context.fill(area);
    }
    context.globalAlpha = strong ? 1 : 0.85;
    context.strokeStyle = color;
    context.lineWidth = strong ? 1.75 : 1.25;
    context.stroke(line);
    context.globalAlpha = 1;
  }
}
