import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { checkout, createHome, keepScreenshot, launch, type Home, type RunningApp } from '../kit/app';

/** From a trained run to a verified file and what is done with it, in the real window. */
let home: Home;
let running: RunningApp;

test.beforeAll(() => {
  home = createHome();
  const text = join(home.workspace, '..', 'lines.txt');
  writeFileSync(text, 'the water is low and the gate is shut\nthe water is high and the gate is open\n'.repeat(80));
  const sluice = (...args: string[]): void => {
    execFileSync(process.execPath, [join(checkout, 'out', 'main', 'cli.js'), ...args], { env: { ...process.env, SLUICE_WORKSPACE: home.workspace }, stdio: 'pipe' });
  };
  sluice('import', text, '--task', 'language-model', '--name', 'lines');
  sluice('train', '--preset', 'char-gru', '--dataset', 'lines', '--set', 'training.maxSteps=30', '--set', 'model.layers.0.hiddenSize=24');
});
test.beforeEach(async () => {
  running = await launch(home);
});
test.afterEach(() => running?.quit());
test.afterAll(() => home?.remove());

test('a run is exported, verified, run, copied, deleted and brought back', async ({ browserName: _ }, info) => {
  const { app, page } = running;
  await page.getByRole('main').waitFor();
  await page.keyboard.press('6');
  const list = page.getByRole('listbox', { name: 'Models' });
  await expect(page.getByText('No models yet')).toBeVisible();

  await page.getByRole('button', { name: 'Export a run as ONNX…' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('File name').fill('lines-step');
  await dialog.getByRole('switch', { name: 'Carry states' }).click();
  await dialog.getByRole('switch', { name: 'Gates as outputs' }).click();
  await dialog.getByRole('button', { name: 'Export', exact: true }).click();
  await expect(dialog).toBeHidden({ timeout: 60_000 });

  await expect(list.getByRole('option')).toHaveText(/lines-step\.onnx.*verified/);
  const share = Number(await page.getByRole('meter').getAttribute('aria-valuenow'));
  expect(share).toBeGreaterThan(0);
  expect(share).toBeLessThanOrEqual(1);
  await expect(page.getByText('100 = 40+60')).toBeVisible();
  await expect(page.getByText('h0 → hn')).toBeVisible();

  await page.getByLabel('Prompt').fill('the wat');
  await page.getByRole('radio', { name: 'CUDA' }).click();
  await page.getByRole('button', { name: 'Write text' }).click();
  await expect(page.getByTestId('export-text')).toHaveText(/^the wat.{100}/s);
  await expect(page.getByRole('status').filter({ hasText: /Ran on CUDA in|CUDA was asked for; the CPU ran it in/ })).toBeVisible();

  await page.getByRole('radio', { name: 'JavaScript' }).click();
  await page.getByRole('button', { name: 'Copy', exact: true }).click();
  const copied = await app.evaluate(({ clipboard }) => clipboard.readText());
  expect(copied).toContain('lines-step.onnx');
  expect(copied).toContain("session.run({ tokens: new ort.Tensor('int64'");
  await keepScreenshot(page, info, 'models');

  const copy = join(home.workspace, '..', 'copy.onnx');
  await app.evaluate(({ dialog: dialogs }, filePath) => {
    dialogs.showSaveDialog = () => Promise.resolve({ canceled: false, filePath });
  }, copy);
  await page.getByRole('button', { name: 'Save as…' }).click();
  await expect(page.getByText('Saved a copy')).toBeVisible();
  const written = join(home.workspace, 'runs', 'lines-gru-1', 'exports', 'lines-step.onnx');
  expect(readFileSync(copy).equals(readFileSync(written))).toBe(true);

  await list.getByRole('option').click();
  await page.keyboard.press('Delete');
  await expect(list.getByRole('option')).toHaveCount(0);
  await page.keyboard.press('ControlOrMeta+z');
  await expect(list.getByRole('option')).toHaveText(/lines-step\.onnx/);
});

test('a foreign file is opened and run, and one that is none is named', async () => {
  const { app, page } = running;
  await page.getByRole('main').waitFor();
  const open = async (path: string): Promise<void> => {
    await app.evaluate(({ dialog }, filePath) => {
      dialog.showOpenDialog = () => Promise.resolve({ canceled: false, filePaths: [filePath] });
    }, path);
  };
  await page.keyboard.press('6');
  await open(join(checkout, 'tests', 'fixtures', 'onnx-node-tests', 'lstm_defaults.onnx'));
  await page.getByRole('button', { name: 'Open…' }).click();
  await expect(page.getByRole('heading', { name: 'lstm_defaults.onnx' })).toBeVisible();
  await expect(page.getByRole('cell', { name: 'LSTM' })).toBeVisible();

  const input = join(home.workspace, '..', 'input.json');
  const constant = (count: number): number[] => Array<number>(count).fill(0.1);
  writeFileSync(input, JSON.stringify({ X: [[[1, 2], [3, 4], [5, 6]]], W: { shape: [1, 12, 2], data: constant(24) }, R: { shape: [1, 12, 3], data: constant(36) } }));
  await open(input);
  await page.getByRole('button', { name: 'Choose a file…' }).click();
  await expect(page.getByTestId('outputs')).toContainText('0.09524');

  await open(join(checkout, 'tests', 'fixtures', 'onnx-node-tests', 'lstm_batchwise.onnx'));
  await page.getByRole('button', { name: 'Open…' }).click();
  await expect(page.getByRole('alert')).toContainText('ONNX Runtime cannot run this file');

  await open(input);
  await page.getByRole('button', { name: 'Open…' }).click();
  await expect(page.getByRole('alert').first()).toContainText('not an ONNX');
});
