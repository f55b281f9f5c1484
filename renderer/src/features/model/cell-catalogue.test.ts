import { describe, expect, it } from 'vitest';
import { messages } from '../../locales/en/model';
import { cellSources, distance, groupOf, matches } from './cell-catalogue';

describe('list of cells', () => {
  it('has a sentence and a paper for every cell that has a name', () => {
    const names = Object.keys(messages.cells).sort();
    expect(Object.keys(messages.cellNotes).sort()).toEqual(names);
    expect(Object.keys(cellSources).sort()).toEqual(names);
  });

  it('puts a cell where what the engine says of it belongs', () => {
    const cell = (recurrent: string | null, states: string[], gates: string) =>
      groupOf({ names: { input: 'W', recurrent, bias: 'b', recurrentBias: null }, states, signals: [...gates].map((name) => ({ name, kind: 'openness' as const })).concat({ name: 'h', kind: 'signed' as never }) });
    expect([cell('U', ['h', 'c'], 'fio'), cell('U', ['h'], 'rz'), cell('U', ['h'], ''), cell(null, ['h'], 'z')]).toEqual(['memory', 'gated', 'plain', 'scanned']);
  });

  it('is searched by all that is said of a cell', () => {
    const entry = { name: 'lstm-coupled', label: 'LSTM, coupled', note: 'i = 1 − f', source: 'Greff et al. 2017' };
    expect(['', 'coup', 'greff lstm', '1 − f'].map((query) => matches(entry, query))).toEqual([true, true, true, true]);
    expect(matches(entry, 'gru')).toBe(false);
  });

  it('has what is found in a name before what is found in a sentence or a paper', () => {
    const entry = { name: 'mingru', label: 'minGRU', note: 'No old state', source: 'Feng et al. 2024' };
    expect(['min', 'gru', 'old', 'feng'].map((query) => distance(entry, query))).toEqual([0, 1, 2, 3]);
  });
});
