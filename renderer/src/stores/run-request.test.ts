import { createPinia, setActivePinia } from 'pinia';
import { beforeEach, expect, it, vi } from 'vitest';
import { isUnanswered } from './run-request';
import { useRuns } from './runs';
import { useWorkbench } from './workbench';

vi.mock('../bridge', () => ({ engine: {}, shellBridge: () => ({ platform: 'linux' }), errorShape: (error: unknown) => error }));

let state = 'running';
const calls = vi.fn<(method: string) => Promise<unknown>>();

beforeEach(() => {
  setActivePinia(createPinia());
  state = 'running';
  calls.mockReset();
  calls.mockImplementation((method) => Promise.resolve(method === 'runs.list' ? [{ id: 'r', state }] : { id: 'r' }));
  vi.spyOn(useWorkbench(), 'call').mockImplementation(((method: string) => calls(method)) as never);
});

it('is answered by the state that was asked for, or by an end', () => {
  expect(isUnanswered('pause', 'running')).toBe(true);
  expect(isUnanswered('pause', 'paused')).toBe(false);
  expect(isUnanswered('stop', 'paused')).toBe(true);
  for (const end of ['stopped', 'finished', 'failed', 'interrupted', undefined] as const) expect(isUnanswered('stop', end)).toBe(false);
});

it('stands until the run is what was asked for, however soon the engine takes it', async () => {
  const runs = useRuns();
  await runs.refresh();
  await runs.stop('r');
  expect(runs.asked.get('r'), 'the step goes on').toBe('stop');
  await runs.pause('r');
  expect(runs.asked.get('r'), 'a stop is not taken back by a pause').toBe('stop');
  state = 'stopped';
  await runs.refresh();
  expect(runs.asked.size).toBe(0);
});

it('is not made twice, and goes when it fails', async () => {
  const runs = useRuns();
  await runs.refresh();
  await runs.pause('r');
  await runs.pause('r');
  expect(calls.mock.calls.filter(([method]) => method === 'runs.pause')).toHaveLength(1);
  calls.mockImplementation(() => Promise.reject(new Error('no')));
  await expect(runs.stop('r')).rejects.toThrow('no');
  expect(runs.asked.get('r'), 'the pause still stands').toBe('pause');
});
