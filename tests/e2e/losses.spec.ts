import { expect, test } from '@playwright/test';
import { createHome, keepScreenshot, launch, type Home, type RunningApp } from '../kit/app';
import { cutWords } from '../kit/layout';
import { chooseSample, expectState, train } from '../kit/window';

/** The loss of a forecast, chosen on the Model screen and named where it is drawn. */
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

test('a forecast is trained under the loss that was chosen', async ({}, info) => {
  running = await launch(home);
  const { page } = running;
  await chooseSample(page, 'Flow of the Nile');
  await page.getByRole('radio', { name: 'Training', exact: true }).click();
  await page.getByRole('combobox', { name: 'Loss', exact: true }).click();
  await page.getByRole('option', { name: 'Huber' }).click();
  await expect(page.getByRole('textbox', { name: 'δ', exact: true })).toHaveValue('1');
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    await keepScreenshot(page, info, `loss-huber-${colorScheme}`);
  }
  await train(page, { δ: '0.5', 'Epochs at most': '2' });
  await expectState(page, 'Done');
  await expect(page.getByText('Huber loss (δ = 0.5), standardized')).toBeVisible();
  await keepScreenshot(page, info, 'loss-huber-trained');
});

test('the same in Korean', async ({}, info) => {
  running = await launch(home, { language: 'ko-KR' });
  const { page } = running;
  await page.getByText(/나일|Nile/).first().click();
  await page.getByRole('button', { name: /모델 고르기|모델/ }).first().click();
  await page.getByRole('radio', { name: '학습', exact: true }).click();
  await page.getByRole('combobox', { name: '손실 함수', exact: true }).click();
  await page.getByRole('option', { name: '후버' }).click();
  await expect(page.getByRole('textbox', { name: 'δ', exact: true })).toHaveValue('1');
  expect(await cutWords(page)).toEqual([]);
  await keepScreenshot(page, info, 'loss-huber-korean');
});
