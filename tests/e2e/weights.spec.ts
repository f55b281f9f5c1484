import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { checkout, createHome, keepScreenshot, launch, type Home, type RunningApp } from '../kit/app';

/** Weights of PyTorch into a run, and a run's weights out again, in the real window. */
let home: Home;
let running: RunningApp | null = null;

test.beforeAll(() => {
  home = createHome();
  const text = join(home.workspace, '..', 'five.txt');
  writeFileSync(text, 'abcde edcba '.replaceAll(' ', '').repeat(200));
  execFileSync(process.execPath, [join(checkout, 'out', 'main', 'cli.js'), 'import', text, '--name', 'five'], { env: { ...process.env, SLUICE_WORKSPACE: home.workspace }, stdio: 'pipe' });
});
test.afterEach(() => running?.quit());
test.afterAll(() => home?.remove());

const weights = (name: string): string => join(checkout, 'tests', 'fixtures', 'weights', name);

async function choose({ app }: RunningApp, path: string): Promise<void> {
  await app.evaluate(({ dialog }, filePath) => {
    dialog.showOpenDialog = () => Promise.resolve({ canceled: false, filePaths: [filePath] });
  }, path);
}

test('weights of PyTorch become a run, which gives them back', async ({ browserName: _ }, info) => {
  running = await launch(home);
  const { app, page } = running;
  await page.getByRole('main').waitFor();
  await page.keyboard.press('2');
  await choose(running, weights('torch-cells.safetensors'));
  await page.getByRole('button', { name: 'Start from weights…' }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByRole('status')).toHaveText('PyTorch, 15 tensors');
  await expect(dialog.getByText('Recurrent layers in the model: 2; in the file: 3. cell1, cell2, cell3')).toBeVisible();
  await expect(dialog.getByRole('button', { name: 'Train from here' })).toBeDisabled();
  await keepScreenshot(page, info, 'weights-problems');
  await dialog.getByRole('button', { name: 'Take these layers' }).click();
  await expect(dialog.getByRole('row', { name: 'recurrent.weight_ih_l1 9 × 4 cell2.weight_ih' })).toBeVisible();
  await keepScreenshot(page, info, 'weights-fit');
  await dialog.getByRole('button', { name: 'Only measure' }).click();
  await expect(dialog).toBeHidden();
  await expect(page.getByText('started from torch-cells.safetensors')).toBeVisible({ timeout: 30_000 });

  const out = join(home.workspace, '..', 'out.safetensors');
  await app.evaluate(({ dialog: dialogs }, filePath) => {
    dialogs.showSaveDialog = () => Promise.resolve({ canceled: false, filePath });
  }, out);
  await page.getByRole('button', { name: 'Weights' }).click();
  await page.getByRole('menuitem', { name: /PyTorch/ }).click();
  await expect(page.getByText('Wrote the weights of step 0')).toBeVisible();
  expect(readFileSync(out).toString('latin1')).toContain('layers.1.weight_ih_l0');
  await keepScreenshot(page, info, 'weights-run');
});

test('what does not fit is said in Korean too', async ({ browserName: _ }, info) => {
  running = await launch(home, { language: 'ko-KR' });
  const { page } = running;
  await page.getByRole('main').waitFor();
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.keyboard.press('2');
  await choose(running, weights('keras-bidirectional.weights.h5'));
  await page.getByRole('button', { name: '가중치 파일에서 시작…' }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByText('맞지 않는 까닭', { exact: true })).toBeVisible();
  await keepScreenshot(page, info, 'weights-ko');
});
