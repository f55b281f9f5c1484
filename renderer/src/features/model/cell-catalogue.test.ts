import { describe, expect, it } from 'vitest';
import { loadEngine } from '../../../../engine/binding';
import { cellSources, groupOf, matches } from './cell-catalogue';
import { messages } from '../../locales/en/model';

/** Every cell that the engine has is found in the list, with what it does and where it comes from. */
describe('list of cells', () => {
  const cells = loadEngine().cells();

  it('has words and a paper for each', () => {
    for (const { name } of cells) {
      expect(messages.cells, name).toHaveProperty(name);
      expect(messages.cellNotes, name).toHaveProperty(name);
      expect(cellSources, name).toHaveProperty(name);
    }
  });

  it('puts each where it belongs', () => {
    const group = (name: string) => groupOf(cells.find((cell) => cell.name === name)!);
    expect(['lstm', 'slstm', 'gru', 'mgu', 'rnn-tanh', 'clockwork', 'mingru', 'minlstm'].map(group)).toEqual(['memory', 'memory', 'gated', 'gated', 'plain', 'plain', 'scanned', 'scanned']);
  });

  it('is searched by all that is said of a cell', () => {
    const entry = { name: 'lstm-coupled', label: 'LSTM, coupled', note: 'i = 1 − f', source: 'Greff et al. 2017' };
    expect(['', 'coup', 'greff lstm', '1 − f'].map((query) => matches(entry, query))).toEqual([true, true, true, true]);
    expect(matches(entry, 'gru')).toBe(false);
  });
});
