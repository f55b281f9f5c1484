import { expect, test } from '@playwright/test';
import type { ShellBridge } from '../../engine/contracts';
import { createHome, keepScreenshot, launch, type Home, type RunningApp } from '../kit/app';
import { chooseSample, expectState, newestCheckpoint, openScreen, readStatus, runIds, train, weightsHash } from '../kit/window';

declare global {
  interface Window {
    sluice: ShellBridge;
  }
}

/** A training that dies or is closed in the middle goes on to the very bits of one that nothing disturbed. */
const steps = 120;
const fields = { 'Batch size': '20', 'Steps at most': String(steps), 'Validate every': '40', 'Checkpoint every': '20' };
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

/** Starts one more run, of the same configuration but for `changed`, and gives its id. */
async function startRun(changed: Record<string, string> = {}): Promise<string> {
  const before = new Set(runIds(home.workspace));
  await train(running.page, { ...fields, ...changed });
  await expect.poll(() => runIds(home.workspace).find((id) => !before.has(id))).toBeTruthy();
  return runIds(home.workspace).find((id) => !before.has(id)) ?? '';
}

async function undisturbed(): Promise<string> {
  await chooseSample(running.page, 'Constitution of Korea');
  const run = await startRun();
  await expectState(running.page, 'Done');
  return weightsHash(home.workspace, run, steps);
}

/** Waits until a run is between two checkpoints, so that steps are lost when it is ended now. */
async function reach(run: string, checkpoint: number): Promise<void> {
  await expect.poll(() => newestCheckpoint(home.workspace, run), { timeout: 120_000, intervals: [50] }).toBeGreaterThanOrEqual(checkpoint);
}

test('the engine is killed while it trains; one click continues to the same bits', async ({}, info) => {
  const expected = await undisturbed();
  const { page } = running;
  await openScreen(page, 'Model');
  const run = await startRun();
  await reach(run, 20);
  await killEngine();

  const banner = page.getByRole('alert').filter({ has: page.getByRole('button', { name: 'Continue' }) }).first();
  await expect(banner).toBeVisible();
  await keepScreenshot(page, info, 'engine-killed');
  await banner.getByRole('button', { name: 'Continue' }).click();
  await expectState(page, 'Done');
  expect(weightsHash(home.workspace, run, steps)).toBe(expected);
});

async function killEngine(): Promise<void> {
  const state = await running.page.evaluate(() => window.sluice.call('engine.state', {}));
  if (state.state !== 'ready') throw new Error('there is no engine to kill');
  process.kill(state.pid, 'SIGKILL');
}

test('the queue behind a training that dies with the engine stands again after the same click', async () => {
  const { page } = running;
  await chooseSample(page, 'Constitution of Korea');
  const long = await startRun({ 'Steps at most': '100000' });
  await openScreen(page, 'Model');
  const second = await startRun({ 'Steps at most': '20' });
  await expect(page.getByText(/^place 1 in the queue/)).toBeVisible();
  await openScreen(page, 'Model');
  const third = await startRun({ 'Steps at most': '20' });
  await expect(page.getByText(/^place 2 in the queue/)).toBeVisible();
  await reach(long, 20);
  await killEngine();

  await page.getByRole('alert').getByRole('button', { name: 'Continue', exact: true }).click();
  await expect(page.locator('.screen-bar .pill')).toHaveText('Training', { timeout: 60_000 });
  const list = () => [long, second, third].map((run) => readStatus(home.workspace, run).state);
  await expect.poll(list).toEqual(['running', 'queued', 'queued']);
  await page.getByRole('button', { name: 'Stop and keep' }).click();
  await expect.poll(list, { timeout: 60_000 }).toEqual(['stopped', 'finished', 'finished']);
  expect(readStatus(home.workspace, second).startedAt! < readStatus(home.workspace, third).startedAt!).toBe(true);
});

test('the application is closed while it trains; reopened, the run continues to the same bits', async ({}, info) => {
  const expected = await undisturbed();
  await openScreen(running.page, 'Model');
  const run = await startRun();
  await reach(run, 20);
  await running.quit();
  expect(readStatus(home.workspace, run).state).toBe('interrupted');
  expect(newestCheckpoint(home.workspace, run), 'quitting keeps what was reached').toBe(readStatus(home.workspace, run).step);

  running = await launch(home);
  const { page } = running;
  await openScreen(page, 'Train');
  await page.getByRole('listbox', { name: 'Runs' }).getByRole('option').filter({ hasText: '-2' }).click();
  await expectState(page, 'Interrupted');
  await keepScreenshot(page, info, 'reopened-interrupted');
  await page.getByRole('button', { name: /^Continue/ }).first().click();
  await expectState(page, 'Done');
  expect(weightsHash(home.workspace, run, steps)).toBe(expected);
});
