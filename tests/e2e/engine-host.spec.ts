import { spawn } from 'node:child_process';
import { expect, test } from '@playwright/test';
import type { EngineState, ShellBridge } from '../../engine/contracts';
import { findRuntime } from '../../scripts/lib/electron-runtime.mjs';
import { sandboxSwitches } from '../../scripts/lib/sandbox.mjs';
import { checkout, createHome, launch, type Home, type RunningApp } from '../kit/app';

/** The engine host's life as the application's user meets it: killed, given up, started again, ended with the window. */
let home: Home;
let running: RunningApp;

test.beforeEach(async () => {
  home = createHome();
  running = await launch(home);
});
test.afterEach(async () => {
  await running?.quit();
  home?.remove();
});

declare global {
  interface Window {
    sluice: ShellBridge;
  }
}

const engineState = (): Promise<EngineState> => running.page.evaluate(() => window.sluice.call('engine.state', {}));

/** Waits for a ready engine, one other than the given where it is named. */
async function readyEngine(other?: number): Promise<{ pid: number; restarts: number }> {
  let found: { pid: number; restarts: number } | null = null;
  await expect
    .poll(
      async () => {
        const state = await engineState();
        found = state.state === 'ready' && state.pid !== other ? state : null;
        return found !== null;
      },
      { message: 'the engine gets ready' },
    )
    .toBe(true);
  return found as unknown as { pid: number; restarts: number };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test('a killed engine host is replaced at once and the window stays', async () => {
  const first = await readyEngine();
  await running.page.evaluate(() => {
    (window as unknown as { marker: string }).marker = 'same page';
  });
  process.kill(first.pid, 'SIGKILL');
  expect((await readyEngine(first.pid)).restarts).toBe(1);
  expect(await running.page.evaluate(() => (window as unknown as { marker?: string }).marker)).toBe('same page');
});

test('after the fourth death within a minute it waits for its user', async () => {
  for (let death = 0; death < 4; death += 1) {
    const { pid } = await readyEngine();
    process.kill(pid, 'SIGKILL');
    await expect
      .poll(async () => {
        const state = await engineState();
        return state.state === 'ready' ? state.pid : null;
      })
      .not.toBe(pid);
  }
  await expect.poll(engineState).toMatchObject({ state: 'exited', restarting: false, signal: 'SIGKILL' });
  await running.page.evaluate(() => window.sluice.call('engine.restart', {}));
  await readyEngine();
});

test('nothing is left running when the window has closed', async () => {
  const { pid } = await readyEngine();
  const shell = running.app.process().pid ?? 0;
  await running.quit();
  expect(isAlive(shell)).toBe(false);
  await expect.poll(() => isAlive(pid)).toBe(false);
});

test('a second start on the same workspace brings the first window forward and ends', async () => {
  await readyEngine();
  const executable = findRuntime()?.executable ?? '';
  const second = spawn(executable, [...sandboxSwitches(executable), checkout, `--user-data-dir=${home.userData}`, '--workspace', home.workspace], { stdio: 'ignore' });
  const status = await new Promise<number | null>((resolve) => second.once('exit', (code) => resolve(code)));
  expect(status).toBe(0);
  await readyEngine();
  expect(await running.app.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows().length)).toBe(1);
});
