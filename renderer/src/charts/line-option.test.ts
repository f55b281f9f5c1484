import { LineChart } from 'echarts/charts';
import { GridComponent, MarkAreaComponent, MarkLineComponent, MarkPointComponent } from 'echarts/components';
import { init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import { describe, expect, it } from 'vitest';
import { chartScales, lineOption, placeEndLabels, type ChartSpec } from './line-option';
import { saveLines } from './save';
import type { ChartTheme } from './theme';

use([LineChart, GridComponent, MarkLineComponent, MarkAreaComponent, MarkPointComponent, SVGRenderer]);

const theme: ChartTheme = {
  name: 'dark', text: '#e3eaeb', text2: '#a6b3b7', text3: '#7c8b91', textDisabled: '#55626a', grid: '#1b2428', axis: '#2a353a', pane: '#11171a',
  fill: '#1d262a', accent: '#4fc4bb', accentText: '#7fd8cf', accentSoft: '#12302f', warn: '#e0a83e', warnText: '#efc574', bad: '#ef6a5b',
  brush: '#f3fbf726', plate: '#0b1216', plateEdge: '#263137', cursor: '#f3fbf7', mono: 'monospace', ui: 'sans-serif', motion: true,
};
const size = { width: 400, height: 140 };
const loss: ChartSpec = {
  lines: [
    { id: 'raw', name: 'train', x: [1, 2, 3, 4], y: [4, 3, 2.5, 2], color: '#3884a6', look: 'raw' },
    { id: 'gru', name: 'gru', x: [1, 2, 3], y: [4, 2.6, 2.2], color: '#fed2ff', look: 'other', endLabel: 'gru' },
  ],
  log: true,
  x: { min: 0, max: 10 },
  futureFrom: 4,
  marks: [{ y: 3, label: 'clip 3', color: '#e0a83e', labelColor: '#efc574' }],
};

function svg(spec: ChartSpec): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, ...size });
  chart.setOption(lineOption(spec, null, size, theme));
  const text = chart.renderToSVGString();
  chart.dispose();
  return text;
}

describe('lineOption', () => {
  it('leaves out labels of x that would touch', () => {
    const ticksAt = (width: number) => chartScales({ lines: [{ id: 'a', name: 'a', x: [0, 150], y: [1, 2], color: '#000', look: 'main' }], ticks: { x: 5 } }, null, { width, height: 100 }).xTicks;
    expect(ticksAt(400)).toEqual([0, 20, 40, 60, 80, 100, 120, 140]);
    expect(ticksAt(200)).toEqual([0, 50, 100, 150]);
  });
  it('draws lines, labels inside a decade, the mark and the name at the end of a line', () => {
    const text = svg(loss);
    for (const label of ['2.0', '3.0', '4.0', 'clip 3', 'gru']) expect(text).toContain(`>${label}</text>`);
    expect(text).toContain('stroke="#3884a6"');
    expect(text).toContain('stroke="#fed2ff"');
  });

  it('puts log10 of the values on a logarithmic axis and leaves out what has no logarithm', () => {
    const option = lineOption({ ...loss, lines: [{ ...loss.lines[0]!, y: [100, 0, -1, 1] }] }, null, size, theme) as { series: { data: number[][] }[] };
    expect(option.series[0]!.data.map((point) => point[1])).toEqual([2, NaN, NaN, 0]);
  });

  it('shows an empty chart without failing', () => {
    expect(svg({ lines: [] })).toContain('<svg');
    const empty = svg({ lines: [], log: true, marks: loss.marks! });
    expect(empty).toContain('<svg');
    expect(empty).not.toContain('<text');
  });

  it('fits y to the part of x in view', () => {
    const whole = chartScales({ lines: loss.lines }, null, size);
    const part = chartScales({ lines: loss.lines }, [3, 4], size);
    expect(whole.y[1]).toBeGreaterThan(4);
    expect(part.y[1]).toBeLessThan(2.7);
    expect(part.toX(3)).toBe(part.margins.left);
    expect(part.fromX(part.toX(3.4))).toBeCloseTo(3.4);
  });

  it('maps values to the pixels ECharts draws them at', () => {
    const chart = init(null, null, { renderer: 'svg', ssr: true, ...size });
    chart.setOption(lineOption(loss, null, size, theme));
    const pixel = chart.convertToPixel({ gridIndex: 0 }, [3, Math.log10(2.5)]) as number[];
    const scales = chartScales(loss, null, size);
    expect(scales.toX(3)).toBeCloseTo(pixel[0]!, 0);
    expect(scales.toY(2.5)).toBeCloseTo(pixel[1]!, 0);
    chart.dispose();
  });
});

describe('placeEndLabels', () => {
  it('moves labels apart and keeps them inside', () => {
    const placed = placeEndLabels([{ y: 50 }, { y: 52 }, { y: 10 }, { y: 99 }], 13, 4, 100);
    const sorted = [...placed].sort((a, b) => a - b);
    for (let index = 1; index < sorted.length; index++) expect(sorted[index]! - sorted[index - 1]!).toBeGreaterThanOrEqual(13);
    expect(Math.min(...placed)).toBeGreaterThanOrEqual(4);
    expect(Math.max(...placed)).toBeLessThanOrEqual(100);
    expect(placed[2]).toBe(10);
  });
});

describe('saved lines', () => {
  it('are well-formed SVG with title and names, also with quoted font names', async () => {
    const quoted = { ...theme, mono: "'JetBrains Mono', monospace", ui: "'Inter Variable', sans-serif" };
    const spec: ChartSpec = { lines: [{ ...loss.lines[0]!, look: 'main' }] };
    const file = await saveLines({ name: 'a-loss', title: 'a · <Loss>', xName: 'step', spec, view: null, size, theme: quoted }, 'svg');
    const text = file.data as string;
    expect(file.suggestedName).toBe('a-loss.svg');
    expect(text).toContain('a · &lt;Loss&gt;');
    expect(text.trimEnd().endsWith('</svg>')).toBe(true);
    for (const [attributes] of text.matchAll(/<[a-z][^<>]*>/g)) expect(attributes.replace(/[\w:-]+="[^"]*"/g, '').replace(/^<\w+|\/?>$/g, '').trim()).toBe('');
  });

  it('are a table with a head for every column', async () => {
    const spec: ChartSpec = { lines: [loss.lines[0]!, { ...loss.lines[0]!, id: 'smooth', column: 'train (smoothed)' }] };
    const file = await saveLines({ name: 'a', title: 'a', xName: 'step', spec, view: null, size, theme }, 'csv');
    expect((file.data as string).split('\n')[0]).toBe('step,train,train (smoothed)');
  });
});
