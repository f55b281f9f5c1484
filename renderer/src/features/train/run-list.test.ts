import { describe, expect, it } from 'vitest';
import type { RunSummary } from '../../../../engine/contracts';
import { assignColors, canContinue, filterRuns, sortRuns, stateKey, stateTone } from './run-list';

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

  it('lets a run keep its colour when others come, go and come back', () => {
    const first = assignColors({}, runs, 8);
    expect(runs.map((one) => first[one.id]).sort()).toEqual([0, 1, 2]);
    const without = assignColors(first, runs.slice(1), 8);
    for (const one of runs.slice(1)) expect(without[one.id]).toBe(first[one.id]);
    const withNew = assignColors(without, [...runs.slice(1), run('new', '2026-02-01', null)], 8);
    expect(runs.slice(1).map((one) => first[one.id])).not.toContain(withNew['new']);
    expect(assignColors(withNew, runs, 8)[runs[0]!.id]).toBe(first[runs[0]!.id]);
  });

  it('spreads many runs evenly over the colours', () => {
    const many = Array.from({ length: 24 }, (_, index) => run(`r${index}`, `2026-01-${10 + index}`, null));
    const colors = Object.values(assignColors({}, many, 8));
    for (let color = 0; color < 8; color++) expect(colors.filter((one) => one === color)).toHaveLength(3);
  });

  it('says what state a run is in and whether it can go on', () => {
    expect(stateKey({ state: 'finished', stoppedEarly: true })).toBe('stoppedEarly');
    expect(stateTone({ state: 'failed', stoppedEarly: false })).toBe('bad');
    expect(canContinue({ state: 'interrupted' })).toBe(true);
    expect(canContinue({ state: 'finished' })).toBe(false);
  });
});
