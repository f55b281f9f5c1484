import { describe, expect, it } from 'vitest';
import type { RunSummary } from '../../../../engine/contracts';
import { runToFollow } from './openness';

const run = (id: string, dataset: string) => ({ id, dataset }) as RunSummary;

describe('run that the paddles follow', () => {
  const list = [run('new', 'etth1'), run('old', 'etth1'), run('text', 'shakespeare')];

  it('is the one that trains, the chosen one, or the newest of the same dataset', () => {
    expect(runToFollow(list, list[1]!, list[0]!, 'etth1')?.id).toBe('old');
    expect(runToFollow(list, list[2]!, list[1]!, 'etth1')?.id).toBe('old');
    expect(runToFollow(list, null, list[2]!, 'etth1')?.id).toBe('new');
  });

  it('is none where the dataset has no run', () => {
    expect(runToFollow(list, list[1]!, list[2]!, 'nile')).toBeNull();
  });
});
