import type { CellInfo } from '../../../../engine/contracts';

/** How the list of cells is divided, by what the engine says of each; a new cell finds its place by itself. */
export const cellGroups = ['memory', 'gated', 'plain', 'scanned'] as const;
export type CellGroup = (typeof cellGroups)[number];

export function groupOf(cell: Pick<CellInfo, 'names' | 'states' | 'signals'>): CellGroup {
  if (cell.names.recurrent === null) return 'scanned';
  if (cell.states.includes('c')) return 'memory';
  return cell.signals.some(({ kind }) => kind === 'openness') ? 'gated' : 'plain';
}

/** Where a cell was published. */
export const cellSources: Record<string, string> = {
  'rnn-tanh': 'Elman 1990',
  'rnn-relu': 'Elman 1990; Le, Jaitly & Hinton 2015',
  lstm: 'Gers, Schmidhuber & Cummins 2000',
  'lstm-peephole': 'Gers & Schmidhuber 2000; Graves 2013',
  'lstm-peephole-cell-input': 'Gers & Schmidhuber 2000',
  'lstm-coupled': 'Greff et al. 2017 (CIFG)',
  'lstm-no-forget': 'Hochreiter & Schmidhuber 1997',
  'lstm-layernorm': 'Ba, Kiros & Hinton 2016',
  'lstm-projection': 'Sak, Senior & Beaufays 2014',
  dglstm: 'Yao et al. 2015',
  slstm: 'Beck et al. 2024 (xLSTM)',
  clockwork: 'Koutník et al. 2014',
  gru: 'Cho et al. 2014; cuDNN',
  'gru-reset-before': 'Cho et al. 2014',
  mgu: 'Zhou et al. 2016',
  mingru: 'Feng et al. 2024',
  minlstm: 'Feng et al. 2024',
};

/** A cell as the list shows it. */
export interface CellEntry {
  name: string;
  label: string;
  note: string;
  source: string;
}

/** How near a cell is to the query, 0 the nearest: its name begins with it, holds it, its sentence does, or only its paper. */
export function distance({ name, label, note }: CellEntry, query: string): number {
  const word = query.toLowerCase();
  const names = [name, label.toLowerCase()];
  if (names.some((text) => text.startsWith(word))) return 0;
  if (names.some((text) => text.includes(word))) return 1;
  return note.toLowerCase().includes(word) ? 2 : 3;
}

/** Whether every word of the query is found in what is said of a cell. */
export function matches({ name, label, note, source }: CellEntry, query: string): boolean {
  const text = `${name} ${label} ${note} ${source}`.toLowerCase();
  return query.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}
