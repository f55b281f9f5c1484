import { existsSync, statSync } from 'node:fs';
import { expect, test } from '@playwright/test';
import { createHome, keepScreenshot, launch, type Home, type RunningApp } from '../kit/app';
import { chooseSample, expectState, exportOnnx, openScreen, plates, readPlates, readStatus, runIds, train } from '../kit/window';

/** Both journeys of a new user, from a shipped sample to a verified ONNX file, clicked through in the real window. */
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

test('a text becomes a verified ONNX file, its gates seen to change on the way', async ({}, info) => {
  const { page } = running;
  await chooseSample(page, 'Constitution of Korea');
  await keepScreenshot(page, info, 'journey-text-model');
  await train(page, { 'Steps at most': '60', 'Validate every': '20', 'Checkpoint every': '20' });

  await expect(plates(page).getByRole('status')).toHaveText(/t \d+, character ., unit \d+: f [\d.]+, i [\d.]+, g [+−][\d.]+/);
  const early = await readPlates(page);
  expect(early.colours, 'plates hold more than one colour').toBeGreaterThan(50);
  await expect.poll(async () => (await readPlates(page)).pixels, { message: 'the plates are drawn anew', timeout: 60_000 }).not.toBe(early.pixels);
  await expect.poll(async () => (await readPlates(page)).numbers, { message: 'the numbers under the cursor change', timeout: 60_000 }).not.toBe(early.numbers);
  await keepScreenshot(page, info, 'journey-text-training');
  await expectState(page, 'Done');

  const [run] = runIds(home.workspace);
  if (!run) throw new Error('no run was written');
  const status = readStatus(home.workspace, run);
  expect(status).toMatchObject({ state: 'finished', step: 60 });
  expect(status.metrics.validation?.loss).toBeGreaterThan(0);

  // Back in time: what the gates were before the first step is another picture.
  const last = await readPlates(page);
  const scrubber = page.getByRole('slider', { name: 'Recorded step' });
  await scrubber.focus();
  await scrubber.press('Home');
  await expect(page.getByText('step 0', { exact: true })).toBeVisible();
  await expect.poll(async () => (await readPlates(page)).pixels).not.toBe(last.pixels);

  const report = await exportOnnx(page, home.workspace, run);
  expect(report.verification.passed).toBe(true);
  expect(report.verification.cases.every((each) => each.boundShare <= 1)).toBe(true);
  expect(existsSync(report.path)).toBe(true);
  expect(statSync(report.path).size).toBe(report.sizeBytes);
  expect(report.inputs.map((input) => input.name)).toEqual(['tokens']);
  await openScreen(page, 'Models');
  await expect(page.getByText('Verified', { exact: true }).first()).toBeVisible();
  await keepScreenshot(page, info, 'journey-text-models');
  await page.getByRole('button', { name: 'Write text' }).click();
  await expect(page.getByText(/^Ran on the CPU in /)).toBeVisible({ timeout: 60_000 });
});

test('a time series becomes a verified ONNX file that takes raw values', async ({}, info) => {
  const { page } = running;
  await chooseSample(page, 'Air passengers');
  await train(page, { 'Epochs at most': '6' });
  await expect(plates(page).getByRole('status')).toHaveText(/unit \d+: f [\d.]+/, { timeout: 60_000 });
  expect((await readPlates(page)).colours).toBeGreaterThan(50);
  await expectState(page, 'Done');
  await keepScreenshot(page, info, 'journey-forecast-done');
  const forecast = page.getByTestId('forecast-errors');
  await expect(forecast).toBeVisible();
  // Raw values and dates stand under the gates; without the forecast they would be what the model is given.
  const cursorFacts = await plates(page).getByRole('status').textContent();
  await openScreen(page, 'Settings');
  await page.getByRole('radio', { name: 'Light', exact: true }).click();
  await openScreen(page, 'Train');
  await expect(forecast, 'a screen that was left shows the forecast again').toBeVisible();
  await expect(plates(page).getByRole('status')).toHaveText(cursorFacts ?? '');

  const [run] = runIds(home.workspace);
  if (!run) throw new Error('no run was written');
  const { metrics } = readStatus(home.workspace, run);
  expect(metrics.test).toMatchObject({ baselines: { last: { mse: expect.any(Number) as unknown } } });

  const report = await exportOnnx(page, home.workspace, run);
  expect(report.verification.passed).toBe(true);
  expect(report.inputs.map((input) => input.name)).toEqual(['series']);
  expect(report.outputs.map((output) => output.name)).toEqual(['forecast']);
  await openScreen(page, 'Models');
  await expect(page.getByText('Verified', { exact: true }).first()).toBeVisible();
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await expect(page.getByText(/^Ran on the CPU in /)).toBeVisible({ timeout: 60_000 });
  await keepScreenshot(page, info, 'journey-forecast-models');
});
