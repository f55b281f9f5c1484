import { expect, test } from '@playwright/test';
import { createHome, keepScreenshot, launch, type Home, type RunningApp } from '../kit/app';
import { chooseSample, expectState, runIds, train } from '../kit/window';

/** Finding a learning rate, and changing a training that is under way, by hand. */
let home: Home;
let running: RunningApp | null = null;

test.beforeEach(() => {
  home = createHome();
});
test.afterEach(async () => {
  await running?.quit();
  running = null;
  home?.remove();
});

const small = { 'Batch size': '8', 'Sequence length': '20', 'Backward length': '50' };

test('a learning rate is found, and nothing of the test is left', async ({}, info) => {
  running = await launch(home);
  const { page } = running;
  await chooseSample(page, 'Shakespeare');
  await page.getByRole('radio', { name: 'Training', exact: true }).click();
  for (const [name, value] of Object.entries(small)) await page.getByRole('textbox', { name, exact: true }).fill(value);
  await expect(page.getByRole('img', { name: 'Each update reads 20 new characters and its gradient runs back over 50.' })).toBeVisible();
  await page.getByRole('img', { name: /^Each update reads/ }).scrollIntoViewIfNeeded();
  await keepScreenshot(page, info, 'training-slices');

  await page.getByRole('button', { name: 'Find a learning rate…' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('textbox', { name: 'Steps' }).fill('40');
  await dialog.getByRole('button', { name: 'Run the test' }).click();
  await expect(dialog.getByTestId('suggested-rate')).toBeVisible({ timeout: 120_000 });
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    await keepScreenshot(page, info, `learning-rate-test-${colorScheme}`);
  }
  const use = dialog.getByRole('button', { name: /^Use / });
  const rate = ((await use.textContent()) ?? '').replace(/^\s*Use /, '').trim();
  await use.click();
  await expect(page.getByRole('textbox', { name: 'Learning rate', exact: true })).not.toHaveValue('0.01');
  expect(rate).not.toBe('');
  expect(runIds(home.workspace)).toEqual([]);
});

test('a training is adjusted while it runs, and the curves show where', async ({}, info) => {
  running = await launch(home);
  const { page } = running;
  await chooseSample(page, 'Shakespeare');
  await train(page, { ...small, 'Steps at most': '1000000', 'Validate every': '20' });
  await expect(page.getByTestId('loss-cursor')).toBeVisible({ timeout: 120_000 });
  await page.getByRole('button', { name: 'Adjust…' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('textbox', { name: 'Learning rate' }).fill('0.001');
  await dialog.getByRole('textbox', { name: 'Clip gradient norm' }).fill('-1');
  await dialog.getByRole('button', { name: 'Apply' }).click();
  await expect(dialog.getByRole('alert')).toContainText('training.clip.norm');
  await dialog.getByRole('textbox', { name: 'Clip gradient norm' }).fill('2');
  await dialog.getByRole('button', { name: 'Apply' }).click();
  await expect(dialog).toBeHidden({ timeout: 60_000 });
  await expect(page.getByTestId('change-mark').first()).toBeAttached({ timeout: 60_000 });

  const inside = page.getByRole('combobox', { name: 'What is drawn here' });
  for (const name of ['Update ratio', 'Stuck gates', 'Gradient over lag']) {
    await inside.click();
    await page.getByRole('option', { name }).click();
    await expect(page.getByRole('group', { name: new RegExp(`· ${name}$`) })).toBeVisible();
    // For the picture only: the chart fades in, and nothing says when it is done.
    await page.waitForTimeout(400);
    await keepScreenshot(page, info, `train-${name.toLowerCase().replaceAll(' ', '-')}`);
  }
  await page.getByRole('button', { name: 'Stop and keep' }).click();
  await expectState(page, 'Stopped');
});

test('the same in Korean', async ({}, info) => {
  running = await launch(home, { language: 'ko-KR' });
  const { page } = running;
  await page.getByText(/셰익스피어|Shakespeare/).first().click();
  await page.getByRole('button', { name: /모델 고르기$/ }).click();
  await page.getByRole('radio', { name: '학습', exact: true }).click();
  await page.getByRole('button', { name: '학습률 찾기…' }).click();
  await expect(page.getByRole('dialog')).toBeVisible();
  await keepScreenshot(page, info, 'learning-rate-test-ko');
});
