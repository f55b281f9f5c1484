import { describe, expect, it } from 'vitest';
import { cellDrawing, type DrawnCell } from './cell-drawing';
import { segments } from './subscript';

const signals = (letters: string, vectors: string[] = [], equations: Record<string, string> = {}): DrawnCell => ({
  recurrentState: 'h',
  signals: [...letters].map((name) => ({ name, kind: 'signed' as const })),
  vectors,
  equations: Object.entries({ h: 'relu(W_{x}x_{t})', g: 'tanh(W_{x}x_{t})', ...equations }).map(([signal, right]) => ({ signal, right, meaning: 'simple' })),
});
const cells = { lstm: signals('figoch'), peephole: signals('figoch', ['p_i', 'p_f', 'p_o']), coupled: signals('fgoch', [], { c: 'f ⊙ c + (1 − f) ⊙ g' }), noInput: signals('fgoch'), noOutput: signals('figch'), noForget: signals('igoch'), exponential: signals('fizomnch', [], { h: 'o_{t} ⊙ c_{t} ⊘ n_{t}' }), depth: signals('figdoch', ['p_i', 'p_f', 'p_o', 'w_cd', 'w_ld']), gru: signals('rznh'), mingru: signals('znh'), minlstm: signals('finh'), minimal: signals('fnh'), rnn: signals('h') };

describe('cell drawing', () => {
  it('has a node or a channel end for every gate of the cell, and a control line to each of its paddles', () => {
    for (const cell of Object.values(cells)) {
      const drawing = cellDrawing(cell)!;
      const shown = new Set([...drawing.nodes.map((node) => node.gate), ...drawing.labels.map((label) => label.text[0])]);
      // m and n of an exponential cell hold scales; they are in its equations.
      for (const { name } of cell.signals) if (!'mn'.includes(name) || drawing.nodes.some((node) => node.gate === 'n')) expect(shown).toContain(name);
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

  it('shows what an option leaves out or changes', () => {
    const drawn = (letters: string, equations: Record<string, string>, reads = 'h') => cellDrawing({ ...signals(letters, [], equations), recurrentState: reads })!;
    const whole = drawn('figoch', { h: 'o_{t} ⊙ tanh(c_{t})' });
    expect([whole.paddles.length, whole.functions.map(({ name }) => name), whole.inputs[1]!.text]).toEqual([3, ['tanh'], 'h_{t−1}']);
    expect(drawn('fgoch', {}).paddles.map(({ gate }) => gate)).toEqual(['f', 'o']);
    expect(drawn('figch', { h: 'tanh(c_{t})' }).paddles.map(({ gate }) => gate)).toEqual(['f', 'i']);
    expect(drawn('figoch', { g: 'W_{x}x_{t}' }).nodes.find(({ gate }) => gate === 'g')!.activation).toBe('id');
    expect(drawn('figoch', { h: 'o_{t} ⊙ c_{t}' }).functions).toEqual([]);
    expect(drawn('fizomnch', { f: 'exp(x)', i: 'exp(x)' }).nodes.map(({ activation }) => activation)).toEqual(['exp', 'exp', 'id', 'σ']);
    const after = drawn('figoch', { h: 'tanh(o_{t} ⊙ c_{t})' }, 'c');
    expect([after.functions[0]!.y > after.paddles.find(({ gate }) => gate === 'o')!.y, after.inputs[1]!.text]).toEqual([true, 'c_{t−1}']);
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
