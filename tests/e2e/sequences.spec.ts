import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { createHome, keepScreenshot, launch, type Home, type RunningApp } from '../kit/app';
import { cutWords } from '../kit/layout';
import { expectState, openScreen, plates, train } from '../kit/window';

/** Tasks on sequences in the window: made up or brought along, trained, and their answers read. */
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

const pieces = (count: number) => Array.from({ length: count }, (_, piece) => Array.from({ length: 12 + piece }, (_, frame) => [48 + ((frame + piece) % 7), 60 + (frame % 5), 64, 72]));

test('a generated task is shown, trained and answered', async ({}, info) => {
  test.slow();
  const { page } = running;
  await page.getByRole('button', { name: 'Generate a task…' }).click();
  const dialog = page.getByRole('dialog', { name: 'Generate a task' });
  await expect(dialog).toContainText('Always answering 1');
  await keepScreenshot(page, info, 'sequences-generate');
  for (const [field, value] of [['Steps', '20'], ['Training sequences', '400']] as const) {
    await dialog.getByRole('textbox', { name: field, exact: true }).fill(value);
    await dialog.getByRole('textbox', { name: field, exact: true }).press('Enter');
  }
  await dialog.getByRole('button', { name: 'Generate', exact: true }).click();
  await expect(page.getByRole('heading', { name: 'adding' })).toBeVisible();
  await expect(page.getByText(/440 sequences · 8,800 steps/)).not.toHaveCount(0);
  await expect(page.getByText(/costs a squared error of 0\.1/)).toBeVisible();
  await expect(page.getByTestId('sequence-note')).toHaveText(/sum = \d/);
  await keepScreenshot(page, info, 'sequences-data-adding');
  await page.getByRole('button', { name: 'Choose a model' }).click();
  await expect(page.getByText('sum at the end')).toBeVisible();
  await keepScreenshot(page, info, 'sequences-model-adding');
  await train(page, { 'Steps at most': '60', 'Validate every': '20', 'Checkpoint every': '20' });
  await expectState(page, 'Done');
  await expect(page.getByRole('region', { name: 'Result' })).toContainText('training mean');
  await expect(page.getByTestId('answers').locator('circle')).toHaveCount(20);
  await expect(plates(page)).toBeVisible();
  await keepScreenshot(page, info, 'sequences-train-adding');
});

test('a piano roll is recognised, drawn and trained; names are recalled', async ({}, info) => {
  test.slow();
  const { app, page } = running;
  const file = join(home.userData, 'tunes.json');
  writeFileSync(file, JSON.stringify({ train: pieces(8), valid: pieces(3), test: pieces(3) }));
  await app.evaluate(({ dialog }, path) => {
    dialog.showOpenDialog = () => Promise.resolve({ canceled: false, filePaths: [path] });
  }, file);
  await page.getByRole('button', { name: /Open a file/ }).first().click();
  const dialog = page.getByRole('dialog');
  await expect(dialog).toContainText('8 + 3 + 3 sequences');
  await keepScreenshot(page, info, 'sequences-import-roll');
  await dialog.getByRole('button', { name: 'Import', exact: true }).click();
  await expect(dialog).toBeHidden();
  await expect(page.getByRole('img', { name: 'Vectors of sequence 0' })).toBeVisible();
  await keepScreenshot(page, info, 'sequences-data-roll');
  await page.getByRole('button', { name: 'Choose a model' }).click();
  await train(page, { 'Steps at most': '40', 'Validate every': '20', 'Checkpoint every': '20' });
  await expectState(page, 'Done');
  await expect(page.getByRole('region', { name: 'Result' })).toContainText('nats/vector');
  await keepScreenshot(page, info, 'sequences-train-roll');

  await openScreen(page, 'Data');
  await page.keyboard.press('ControlOrMeta+K');
  await page.keyboard.type('Generate a task');
  await page.keyboard.press('Enter');
  const tasks = page.getByRole('dialog', { name: 'Generate a task' });
  await tasks.getByRole('radio', { name: 'Recall a name' }).click();
  await tasks.getByRole('textbox', { name: 'Training sequences', exact: true }).fill('100');
  await tasks.getByRole('button', { name: 'Generate', exact: true }).click();
  await expect(page.getByRole('list', { name: /Symbols of sequence 0/ })).toContainText('watching');
  await keepScreenshot(page, info, 'sequences-data-names');
  await page.getByRole('button', { name: 'Choose a model' }).click();
  await train(page, { 'Steps at most': '20', 'Validate every': '10', 'Checkpoint every': '10' });
  await expectState(page, 'Done');
  // The word under the cursor stands there whole.
  await page.getByRole('group', { name: 'Gates and states over time' }).press('Home');
  await expect(page.locator('.at.word')).toHaveText(/\w{3,}/);
  await keepScreenshot(page, info, 'sequences-train-names');

  await openScreen(page, 'Settings');
  await page.getByRole('radio', { name: '한국어' }).click();
  await page.getByRole('radio', { name: '어둡게' }).click();
  for (const [index, name] of ['data', 'model', 'train'].entries()) {
    await page.getByRole('navigation').getByRole('button').nth(index).click();
    await expect.poll(() => cutWords(page), { message: name }).toEqual([]);
    await keepScreenshot(page, info, `sequences-${name}-ko-dark`);
  }
});
