import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { acquireLock, lockOwner, processStart, releaseLock } from './run-lock';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-lock-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('the lock of a run', () => {
  it('belongs to one taker until it is given back', async () => {
    const lock = await acquireLock(folder);
    expect((await lockOwner(folder))?.pid).toBe(process.pid);
    await expect(acquireLock(folder)).rejects.toMatchObject({ code: 'RUN_LOCKED', details: { pid: process.pid } });
    await releaseLock(folder, lock);
    expect(await lockOwner(folder)).toBeNull();
    await releaseLock(folder, await acquireLock(folder));
    expect(await readdir(folder)).toEqual([]);
  });

  it('of a dead process is taken over', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    const startedAt = await processStart(child.pid ?? 0);
    expect(startedAt).not.toBeNull();
    await writeFile(join(folder, 'run.lock'), JSON.stringify({ pid: child.pid, startedAt }));
    expect((await lockOwner(folder))?.pid).toBe(child.pid);
    await expect(acquireLock(folder)).rejects.toMatchObject({ code: 'RUN_LOCKED' });
    await new Promise((resolve) => {
      child.on('exit', resolve);
      child.kill('SIGKILL');
    });
    expect(await lockOwner(folder)).toBeNull();
    await acquireLock(folder);
    expect((await lockOwner(folder))?.pid).toBe(process.pid);
  });

  it('of another process with the same number is taken over', async () => {
    await writeFile(join(folder, 'run.lock'), JSON.stringify({ pid: process.pid, startedAt: 'another boot 1' }));
    expect(await lockOwner(folder)).toBeNull();
    await acquireLock(folder);
  });

  it('that is damaged is taken over', async () => {
    await writeFile(join(folder, 'run.lock'), '{"pid":');
    await acquireLock(folder);
    expect(JSON.parse(await readFile(join(folder, 'run.lock'), 'utf8'))).toMatchObject({ pid: process.pid });
  });

  it('goes to exactly one of many who take over a dead one at once', async () => {
    for (let round = 0; round < 20; round++) {
      await writeFile(join(folder, 'run.lock'), JSON.stringify({ pid: 2 ** 22 + 7, startedAt: 'gone' }));
      const results = await Promise.allSettled(Array.from({ length: 20 }, () => acquireLock(folder)));
      expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
      expect(await readdir(folder)).toEqual(['run.lock']);
    }
  });

  it('of a dead process is taken over where another died while taking it over', async () => {
    const dead = JSON.stringify({ pid: 2 ** 22 + 7, startedAt: 'gone' });
    await writeFile(join(folder, 'run.lock'), dead);
    const claim = createHash('sha256').update(dead).digest('hex').slice(0, 16);
    await writeFile(join(folder, `run.lock.${claim}`), JSON.stringify({ pid: 2 ** 22 + 8, startedAt: 'gone' }));
    await acquireLock(folder);
    expect((await lockOwner(folder))?.pid).toBe(process.pid);
    expect(await readdir(folder)).toEqual(['run.lock']);
  });

  it('is not given back by one who lost it', async () => {
    const lock = await acquireLock(folder);
    await writeFile(join(folder, 'run.lock'), '{"pid":1,"startedAt":"other"}');
    await releaseLock(folder, lock);
    expect(await readFile(join(folder, 'run.lock'), 'utf8')).toContain('other');
  });
});
