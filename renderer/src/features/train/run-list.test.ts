import { describe, expect, it } from 'vitest';
import type { RunSummary } from '../../../../engine/contracts';
import { canContinue, filterRuns, runColors, sortRuns, stateKey, stateTone } from './run-list';

const run = (id: string, createdAt: string, loss: number | null, extra: Partial<RunSummary> = {}) =>
  ({ id, name: id, dataset: 'shakespeare', architecture: 'lstm 128', state: 'finished', stoppedEarly: false, createdAt, metrics: { train: null, validation: loss === null ? null : { loss }, test: null }, ...extra }) as unknown as RunSummary;
const runs = [run('b10', '2026-01-02', 1.9), run('b9', '2026-01-03', null, { state: 'failed' }), run('a', '2026-01-01', 1.5, { architecture: 'gru 64' })];

describe('list of runs', () => {
  it('sorts by age, name with numbers, and validation', () => {
    expect(sortRuns(runs, 'newest').map((one) => one.id)).toEqual(['b9', 'b10', 'a']);
    expect(sortRuns(runs, 'name').map((one) => one.id)).toEqual(['a', 'b9', 'b10']);
    expect(sortRuns(runs, 'validation').map((one) => one.id)).toEqual(['a', 'b10', 'b9']);
  });

  it('filters by name, architecture and the word of a state', () => {
    expect(filterRuns(runs, ' GRU ', () => '').map((one) => one.id)).toEqual(['a']);
    expect(filterRuns(runs, '실패', (one) => (one.state === 'failed' ? '실패' : '끝남')).map((one) => one.id)).toEqual(['b9']);
    expect(filterRuns(runs, '', () => '')).toHaveLength(3);
  });

  it('gives a run the same colour when a newer one comes', () => {
    const before = runColors(runs);
    const after = runColors([...runs, run('new', '2026-02-01', null)]);
    for (const one of runs) expect(after.get(one.id)).toBe(before.get(one.id));
    expect(after.get('new')).toBe(3);
  });

  it('says what state a run is in and whether it can go on', () => {
    expect(stateKey({ state: 'finished', stoppedEarly: true })).toBe('stoppedEarly');
    expect(stateTone({ state: 'failed', stoppedEarly: false })).toBe('bad');
    expect(canContinue({ state: 'interrupted' })).toBe(true);
    expect(canContinue({ state: 'finished' })).toBe(false);
  });
});
