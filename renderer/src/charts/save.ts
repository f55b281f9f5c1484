import { LineChart } from 'echarts/charts';
import { GridComponent, MarkAreaComponent, MarkLineComponent, MarkPointComponent } from 'echarts/components';
import { init, use } from 'echarts/core';
import { CanvasRenderer, SVGRenderer } from 'echarts/renderers';
import { gateColor } from './colors';
import { csvTable, linesToCsv } from './csv';
import { drawRuler, rulerHeight, wordRowHeight } from './draw-stack';
import { lineOption, type ChartSize, type ChartSpec } from './line-option';
import { paintPlate, type PlateRow } from './plate';
import { fittingText } from './mono-text';
import { hasWords, readValue, shownToken, wordRows, wordSize, type Ruler, type TraceSignal } from './signals';
import type { ChartTheme } from './theme';

use([LineChart, GridComponent, MarkLineComponent, MarkAreaComponent, MarkPointComponent, CanvasRenderer, SVGRenderer]);

export type ChartFormat = 'png' | 'svg' | 'csv';

/** A picture or table on its way to a place that the user picks. */
export interface ChartFile {
  suggestedName: string;
  data: string | Uint8Array<ArrayBuffer>;
}

/** Pixels per CSS pixel of a saved PNG: sharp in print at the size it has on the screen. */
const pngRatio = 2;
const titleHeight = 30;

export interface LinePicture {
  name: string;
  title: string;
  xName: string;
  spec: ChartSpec;
  view: [number, number] | null;
  size: ChartSize;
  theme: ChartTheme;
}

/** A line chart with its title and a name at every line, or all its values. */
export async function saveLines(picture: LinePicture, format: ChartFormat): Promise<ChartFile> {
  const suggestedName = `${picture.name}.${format}`;
  if (format === 'csv') {
    const lines = picture.spec.lines.filter((line) => line.look !== 'planned').map((line) => ({ name: line.column ?? line.name, x: line.x, y: line.y }));
    return { suggestedName, data: linesToCsv(picture.xName, lines) };
  }
  const { theme, spec, view } = picture;
  const size = { width: picture.size.width, height: picture.size.height + titleHeight };
  const withTitle: ChartSpec = { ...spec, margins: { ...spec.margins, top: (spec.margins?.top ?? 8) + titleHeight } };
  const option = lineOption(withTitle, view, size, theme);
  if (format === 'svg') {
    const chart = init(null, null, { renderer: 'svg', ssr: true, ...size });
    chart.setOption(option);
    const svg = chart.renderToSVGString();
    chart.dispose();
    const background = `<rect width="100%" height="100%" fill="${theme.pane}"/>`;
    const titles = [`<text x="12" y="20" style="font:550 12px ${escapeXml(theme.ui)}" fill="${theme.text}">${escapeXml(picture.title)}</text>`];
    for (const entry of legend(spec, size.width)) {
      titles.push(
        `<rect x="${entry.x}" y="15" width="12" height="2" fill="${entry.color}"/>`,
        `<text x="${entry.x + 17}" y="20" style="font:11px ${escapeXml(theme.ui)}" fill="${theme.text2}">${escapeXml(entry.name)}</text>`,
      );
    }
    return { suggestedName, data: svg.replace(/(<svg[^>]*>)/, `$1${background}`).replace(/<\/svg>\s*$/, `${titles.join('')}</svg>`) };
  }
  const canvas = document.createElement('canvas');
  canvas.width = size.width * pngRatio;
  canvas.height = size.height * pngRatio;
  const context = canvas.getContext('2d')!;
  const chart = init(document.createElement('div'), null, { renderer: 'canvas', devicePixelRatio: pngRatio, ...size });
  chart.setOption(option);
  context.fillStyle = theme.pane;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(chart.renderToCanvas({ pixelRatio: pngRatio }), 0, 0, canvas.width, canvas.height);
  chart.dispose();
  context.scale(pngRatio, pngRatio);
  context.font = `550 12px ${theme.ui}`;
  context.fillStyle = theme.text;
  context.fillText(picture.title, 12, 20);
  context.font = `11px ${theme.ui}`;
  for (const entry of legend(spec, size.width)) {
    context.fillStyle = entry.color;
    context.fillRect(entry.x, 15, 12, 2);
    context.fillStyle = theme.text2;
    context.fillText(entry.name, entry.x + 17, 20);
  }
  return { suggestedName, data: await pngBytes(canvas) };
}

/** Names of the lines that carry none at their end, from the right edge leftwards. */
function legend(spec: ChartSpec, width: number): { name: string; color: string; x: number }[] {
  let x = width - 12;
  const named = spec.lines.filter((line) => !line.silent && !line.endLabel && line.x.length > 0);
  return [...named].reverse().map((line) => {
    x -= 17 + line.name.length * 6.6 + 10;
    return { name: line.name, color: line.color, x };
  });
}

export interface PlatesPicture {
  name: string;
  signals: readonly TraceSignal[];
  units: number;
  time: number;
  /** All rows, also those scrolled out of view. */
  rows: readonly PlateRow[];
  ruler: Ruler;
  rowHeight: number;
  columnWidth: number;
  labels: readonly { name: string; range: string }[];
  theme: ChartTheme;
}

const plateLabelWidth = 72;
const plateGap = 6;
const margin = 12;

/** Every plate of a layer with its letters and the ruler (PNG, SVG), or every value by step and unit (CSV). */
export async function savePlates(picture: PlatesPicture, format: ChartFormat): Promise<ChartFile> {
  const suggestedName = `${picture.name}.${format}`;
  if (format === 'csv') return { suggestedName, data: platesCsv(picture) };
  if (format === 'svg') return { suggestedName, data: platesSvg(picture, picture.signals.map((signal) => cellImage(picture, signal).toDataURL('image/png'))) };
  const { width, height, plateHeight, plateWidth } = platesSize(picture);
  const canvas = document.createElement('canvas');
  canvas.width = width * pngRatio;
  canvas.height = height * pngRatio;
  const context = canvas.getContext('2d')!;
  context.scale(pngRatio, pngRatio);
  context.fillStyle = picture.theme.pane;
  context.fillRect(0, 0, width, height);
  picture.signals.forEach((signal, index) => {
    const top = margin + index * (plateHeight + plateGap);
    context.imageSmoothingEnabled = false;
    context.drawImage(cellImage(picture, signal), margin + plateLabelWidth, top, plateWidth, plateHeight);
    const label = picture.labels[index]!;
    context.textBaseline = 'alphabetic';
    context.textAlign = 'left';
    context.fillStyle = gateColor(signal.name, picture.theme.name);
    context.font = `650 15px ${picture.theme.mono}`;
    context.fillText(signal.name, margin, top + 14);
    context.font = `10.5px ${picture.theme.ui}`;
    context.fillStyle = picture.theme.text2;
    context.fillText(label.name, margin, top + 28);
    context.fillStyle = picture.theme.text3;
    context.fillText(label.range, margin, top + 41);
  });
  context.translate(margin + plateLabelWidth, margin + picture.signals.length * (plateHeight + plateGap));
  drawRuler(context, picture.ruler, { first: 0, count: picture.time, columnWidth: picture.columnWidth }, picture.theme);
  return { suggestedName, data: await pngBytes(canvas) };
}

function platesSize(picture: PlatesPicture) {
  const plateWidth = picture.time * picture.columnWidth;
  const plateHeight = Math.max(44, picture.rows.length * picture.rowHeight);
  return {
    plateWidth,
    plateHeight,
    width: margin * 2 + plateLabelWidth + plateWidth,
    height: margin * 2 + picture.signals.length * (plateHeight + plateGap) + rulerHeight(picture.ruler),
  };
}

function cellImage(picture: PlatesPicture, signal: TraceSignal): HTMLCanvasElement {
  const image = paintPlate({ values: signal.values, time: picture.time, units: picture.units, rows: picture.rows, scale: signal.scale });
  const canvas = document.createElement('canvas');
  canvas.width = image.width;
  canvas.height = image.height;
  canvas.getContext('2d')!.putImageData(new ImageData(new Uint8ClampedArray(image.pixels.buffer as ArrayBuffer), image.width, image.height), 0, 0);
  return canvas;
}

/** The plates as SVG: one embedded image per signal (a pixel per value), letters, names and ruler as text. */
export function platesSvg(picture: PlatesPicture, images: readonly string[]): string {
  const { width, height, plateHeight, plateWidth } = platesSize(picture);
  const { theme, ruler } = picture;
  const parts = [`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`, `<rect width="${width}" height="${height}" fill="${theme.pane}"/>`];
  const text = (x: number, y: number, font: string, color: string, content: string, anchor = 'start') =>
    parts.push(`<text x="${x}" y="${y}" style="font:${escapeXml(font)}" fill="${color}" text-anchor="${anchor}">${escapeXml(content)}</text>`);
  picture.signals.forEach((signal, index) => {
    const top = margin + index * (plateHeight + plateGap);
    const label = picture.labels[index]!;
    parts.push(
      `<image x="${margin + plateLabelWidth}" y="${top}" width="${plateWidth}" height="${plateHeight}" preserveAspectRatio="none" style="image-rendering:pixelated" href="${images[index]!}"/>`,
    );
    text(margin, top + 14, `650 15px ${theme.mono}`, gateColor(signal.name, theme.name), signal.name);
    text(margin, top + 28, `10.5px ${theme.ui}`, theme.text2, label.name);
    text(margin, top + 41, `10.5px ${theme.ui}`, theme.text3, label.range);
  });
  const rulerTop = margin + picture.signals.length * (plateHeight + plateGap);
  const left = margin + plateLabelWidth;
  if (ruler.kind === 'text' && hasWords(ruler)) {
    const room = wordRows * picture.columnWidth - 5;
    ruler.texts.forEach((word, step) =>
      text(left + step * picture.columnWidth + 3, rulerTop + (step % wordRows) * wordRowHeight + 10, `${wordSize}px ${theme.mono}`, theme.text, fittingText(shownToken(word), room, wordSize)),
    );
  } else if (ruler.kind === 'text') {
    ruler.texts.forEach((character, step) => {
      const faint = /^\s$/.test(character);
      text(left + (step + 0.5) * picture.columnWidth, rulerTop + 14, `12px ${theme.mono}`, faint ? theme.textDisabled : theme.text, shownToken(character), 'middle');
    });
  } else {
    const finite = Array.from(ruler.values).filter(Number.isFinite);
    const low = Math.min(...finite);
    const span = Math.max(...finite) - low || 1;
    const points = Array.from(ruler.values).flatMap((value, step) =>
      Number.isFinite(value) ? [`${left + (step + 0.5) * picture.columnWidth},${(rulerTop + 2 + (1 - (value - low) / span) * 34).toFixed(1)}`] : [],
    );
    parts.push(`<polyline points="${points.join(' ')}" fill="none" stroke="${theme.text}" stroke-width="1.25"/>`);
    text(margin, rulerTop + 14, `10.5px ${theme.ui}`, theme.text2, ruler.name);
  }
  parts.push('</svg>');
  return parts.join('\n');
}

/** One row per step and unit, one column per signal; states are written as they are, not as tanh. */
export function platesCsv(picture: Pick<PlatesPicture, 'signals' | 'units' | 'time' | 'ruler'>): string {
  const { signals, units, time, ruler } = picture;
  const header = ['t', ruler.kind === 'text' ? 'character' : ruler.name, 'unit', ...signals.map((signal) => signal.name)];
  function* rows(): Generator<(string | number | null)[]> {
    for (let step = 0; step < time; step++) {
      const input = ruler.kind === 'text' ? (ruler.texts[step] ?? null) : (ruler.values[step] ?? null);
      for (let unit = 0; unit < units; unit++) yield [step, input, unit, ...signals.map((signal) => float32(signal.values[step * units + unit]))];
    }
  }
  return csvTable(header, rows());
}

/** Nine significant places say everything a 32-bit number holds. */
function float32(value: number | undefined): number | null {
  return value === undefined ? null : Number(value.toPrecision(9));
}

/** Values of one unit by step, tab-separated, as the screen reads them out. */
export function unitTable(picture: Pick<PlatesPicture, 'signals' | 'units' | 'time'>, unit: number): string {
  const lines = [['t', ...picture.signals.map((signal) => signal.name)].join('\t')];
  for (let step = 0; step < picture.time; step++) {
    lines.push([step, ...picture.signals.map((signal) => readValue(signal, picture.units, unit, step).toFixed(4))].join('\t'));
  }
  return lines.join('\n');
}

async function pngBytes(canvas: HTMLCanvasElement): Promise<Uint8Array<ArrayBuffer>> {
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/png'));
  if (!blob) throw new Error('The picture could not be written as PNG');
  return new Uint8Array(await blob.arrayBuffer());
}

function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[character]!);
}
