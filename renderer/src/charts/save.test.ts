import { describe, expect, it } from 'vitest';
import { platesCsv, platesSvg, unitTable, type PlatesPicture } from './save';
import type { ChartTheme } from './theme';

const theme = { name: 'dark', pane: '#11171a', text: '#fff', text2: '#aaa', text3: '#888', textDisabled: '#555', mono: 'monospace', ui: '"Inter"' } as ChartTheme;
const picture: PlatesPicture = {
  name: 'run-gates',
  signals: [
    { name: 'f', scale: 'openness', values: Float32Array.of(0, 1, 0.5, 0.25) },
    { name: 'c', scale: 'tanh', values: Float32Array.of(2, -2, 0, 1) },
  ],
  units: 2,
  time: 2,
  rows: [[0], [1]],
  ruler: { kind: 'text', texts: ['<', ' '] },
  rowHeight: 3,
  columnWidth: 8,
  labels: [{ name: 'forget', range: '0…1' }, { name: 'cell state', range: 'tanh c' }],
  theme,
};

describe('plates as files', () => {
  it('write every value by step and unit', () => {
    expect(platesCsv(picture)).toBe('t,character,unit,f,c\n0,<,0,0,2\n0,<,1,1,-2\n1, ,0,0.5,0\n1, ,1,0.25,1\n');
  });

  it('are valid SVG with one image per signal and the characters as text', () => {
    const svg = platesSvg(picture, ['data:image/png;base64,AA==', 'data:image/png;base64,BB==']);
    expect(svg.match(/<image /g)).toHaveLength(2);
    expect(svg).toContain('>&lt;</text>');
    expect(svg).toContain('>·</text>');
    expect(svg).toContain('font:10.5px &quot;Inter&quot;');
    expect(svg).not.toMatch(/>\s*<</);
  });

  it('copy one unit as the screen shows it', () => {
    expect(unitTable(picture, 1)).toBe('t\tf\tc\n0\t1.0000\t-2.0000\n1\t0.2500\t1.0000');
  });
});
