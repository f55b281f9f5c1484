import type { RunSummary } from '../../../../engine/contracts';

export type RunSort = 'newest' | 'name' | 'validation';

/** Runs whose name, dataset, architecture or state (in any of the given words) holds the text. */
export function filterRuns(runs: readonly RunSummary[], text: string, stateWord: (run: RunSummary) => string): RunSummary[] {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return [...runs];
  return runs.filter((run) => [run.name, run.dataset, run.architecture, run.state, stateWord(run)].some((part) => part.toLowerCase().includes(wanted)));
}

/** Newest first, or by name, or by best validation loss; runs without a validation come last. */
export function sortRuns(runs: readonly RunSummary[], sort: RunSort): RunSummary[] {
  const newest = (a: RunSummary, b: RunSummary) => b.createdAt.localeCompare(a.createdAt) || b.id.localeCompare(a.id);
  if (sort === 'name') return [...runs].sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }) || newest(a, b));
  if (sort === 'validation') {
    const loss = (run: RunSummary) => run.metrics.validation?.loss ?? Infinity;
    return [...runs].sort((a, b) => (loss(a) === loss(b) ? newest(a, b) : loss(a) - loss(b)));
  }
  return [...runs].sort(newest);
}

/**
 * Colour number of every run: the one it had, else the one that fewest of the others have, oldest run first. So a
 * run keeps its colour whatever is added or deleted beside it, and neighbours differ while there are colours left.
 */
export function assignColors(kept: Readonly<Record<string, number>>, runs: readonly RunSummary[], paletteSize: number): Record<string, number> {
  const uses = new Array<number>(paletteSize).fill(0);
  for (const run of runs) if (kept[run.id] !== undefined) uses[kept[run.id]! % paletteSize]! += 1;
  const colors: Record<string, number> = { ...kept };
  const byAge = [...runs].sort((a, b) => a.createdAt.localeCompare(b.createdAt) || a.id.localeCompare(b.id));
  for (const run of byAge) {
    if (colors[run.id] !== undefined) continue;
    const color = uses.indexOf(Math.min(...uses));
    uses[color]! += 1;
    colors[run.id] = color;
  }
  return colors;
}

/** Words of a run's state; a run ended by early stopping is done and says so. */
export function stateKey(run: Pick<RunSummary, 'state' | 'stoppedEarly'>): string {
  return run.state === 'finished' && run.stoppedEarly ? 'stoppedEarly' : run.state;
}

export type Tone = 'plain' | 'flow' | 'ok' | 'warn' | 'bad';

export function stateTone(run: Pick<RunSummary, 'state' | 'stoppedEarly'>): Tone {
  switch (run.state) {
    case 'running':
      return 'flow';
    case 'finished':
      return run.stoppedEarly ? 'warn' : 'ok';
    case 'failed':
      return 'bad';
    case 'interrupted':
    case 'paused':
      return 'warn';
    default:
      return 'plain';
  }
}

/** Whether the run can go on from its last checkpoint. */
export function canContinue(run: Pick<RunSummary, 'state'>): boolean {
  return run.state === 'interrupted' || run.state === 'stopped' || run.state === 'failed';
}
