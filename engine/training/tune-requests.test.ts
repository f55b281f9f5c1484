import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SluiceError, type RunChange } from '../contracts';
import { askOwner, watchRequests } from './tune-requests';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-requests-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const change: RunChange = { step: 7, field: 'training.clip.norm', from: 5, to: 1 };
const alive = (): Promise<boolean> => Promise.resolve(true);

describe('a request to the process that trains a run', () => {
  it('is answered with what was changed or with the refusal, and leaves nothing behind', async () => {
    const asked: string[][] = [];
    const watch = watchRequests(folder, (set) => {
      asked.push(set);
      if (set[0]?.includes('-1')) return Promise.reject(new SluiceError({ code: 'CONFIG_INVALID', message: 'training.clip.norm is -1; it must be above 0', where: 'training.clip.norm' }));
      return Promise.resolve([change]);
    });
    try {
      expect(await Promise.all([askOwner(folder, 'r', ['training.clip.norm=1'], alive), askOwner(folder, 'r', ['training.clip.norm=1'], alive)])).toEqual([[change], [change]]);
      await expect(askOwner(folder, 'r', ['training.clip.norm=-1'], alive)).rejects.toMatchObject({ name: 'SluiceError', code: 'CONFIG_INVALID', where: 'training.clip.norm' });
      expect(await readdir(join(folder, 'requests'))).toEqual([]);
      // What is no request is answered as such, whoever wrote it, and asks for nothing.
      const foreign = '00000000-0000-4000-8000-000000000000';
      await writeFile(join(folder, 'requests', `${foreign}.json`), '{"format":"other"}');
      while (!(await readdir(join(folder, 'requests'))).includes(`${foreign}.answer.json`)) await new Promise((resolve) => setImmediate(resolve));
      expect(asked).toHaveLength(3);
      await rm(join(folder, 'requests', `${foreign}.answer.json`));
      await rm(join(folder, 'requests', `${foreign}.json`));
    } finally {
      await watch.stop();
    }
    expect(await readdir(folder)).toEqual([]);
  });

  it('has its answer also where the change ends the run at once', async () => {
    let owned = true;
    const watch = watchRequests(folder, () => {
      // What a step limit that was passed does: the owner answers, stops looking, and gives the run back.
      setImmediate(() => void watch.stop().then(() => (owned = false)));
      return Promise.resolve([change]);
    });
    expect(await askOwner(folder, 'r', ['training.maxSteps=1'], () => Promise.resolve(owned))).toEqual([change]);
  });

  it('is withdrawn where nobody answers, with the reason', async () => {
    await expect(askOwner(folder, 'r', ['training.clip.norm=1'], alive, 300)).rejects.toMatchObject({ code: 'RUN_LOCKED' });
    await expect(askOwner(folder, 'r', ['training.clip.norm=1'], () => Promise.resolve(false))).rejects.toMatchObject({ code: 'RUN_NOT_ACTIVE' });
    expect(await readdir(folder)).toEqual([]);
  });
});
