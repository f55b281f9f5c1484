import { describe, expect, it } from 'vitest';
import { cellDrawing, type DrawnCell } from './cell-drawing';
import { segments } from './subscript';

const signals = (letters: string, vectors: string[] = []): DrawnCell => ({
  signals: [...letters].map((name) => ({ name, kind: 'signed' as const })),
  vectors,
  equations: [{ signal: 'h', right: 'relu(W_{x}x_{t})', meaning: 'simple' }],
});
const cells = { lstm: signals('figoch'), peephole: signals('figoch', ['p_i', 'p_f', 'p_o']), coupled: signals('fgoch'), noForget: signals('igoch'), depth: signals('figdoch', ['p_i', 'p_f', 'p_o', 'w_cd', 'w_ld']), gru: signals('rznh'), minimal: signals('fnh'), rnn: signals('h') };

describe('cell drawing', () => {
  it('has a node or a channel end for every gate of the cell, and a control line to each of its paddles', () => {
    for (const cell of Object.values(cells)) {
      const drawing = cellDrawing(cell)!;
      const shown = new Set([...drawing.nodes.map((node) => node.gate), ...drawing.labels.map((label) => label.text[0])]);
      for (const { name } of cell.signals) expect(shown).toContain(name);
      for (const paddle of drawing.paddles) expect(drawing.controls.some((control) => control.gate === paddle.gate)).toBe(true);
      expect(drawing.nodes.filter((node) => node.activation === 'σ').map((node) => node.gate).sort()).toEqual([...new Set(drawing.paddles.map((paddle) => paddle.gate))].sort());
    }
  });

  it('stays inside what is looked at', () => {
    for (const cell of Object.values(cells)) {
      const { viewBox, beds, nodes, labels } = cellDrawing(cell)!;
      const [x, y, width, height] = viewBox;
      for (const bed of beds) expect(bed.x >= x && bed.y >= y && bed.x + bed.width <= x + width && bed.y + bed.height <= y + height).toBe(true);
      for (const point of [...nodes, ...labels]) expect(point.x >= x && point.x <= x + width && point.y >= y && point.y <= y + height).toBe(true);
    }
  });

  it('does not pretend to know a cell it has no drawing for', () => {
    expect(cellDrawing(signals('abc'))).toBeNull();
  });
});

describe('equations', () => {
  it('tell the function of a simple cell', () => {
    expect(cellDrawing(cells.rnn)!.functions.map(({ name }) => name)).toEqual(['relu']);
  });

  it('split into text and subscripts without losing a character', () => {
    expect(segments('W_{xf}x_{t} + b')).toEqual([
      { text: 'W', sub: false },
      { text: 'xf', sub: true },
      { text: 'x', sub: false },
      { text: 't', sub: true },
      { text: ' + b', sub: false },
    ]);
  });
});
