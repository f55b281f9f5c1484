import { expect, test } from '@playwright/test';
import { createHome, keepScreenshot, launch, type Home, type RunningApp } from '../kit/app';
import { chooseCell, chooseSample } from '../kit/window';

/** A cell is one file of the engine; the window shows it by itself, and has words and a drawing for each. */
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

test('every cell can be chosen, is drawn, and has its equations in words', async ({}, info) => {
  const { page } = running;
  await chooseSample(page, 'Air passengers');
  const field = page.getByRole('combobox', { name: 'Cell' });
  await field.click();
  // All by kind, each with what it does and its paper; found by any of it, and chosen with the keyboard.
  const list = page.getByRole('dialog', { name: 'Choose the cell' });
  await expect(list.getByRole('group')).toHaveCount(4);
  const names = await list.getByRole('option').evaluateAll((options) => options.map((option) => option.getAttribute('aria-label') ?? ''));
  for (const part of ['.note', '.source']) expect((await list.getByRole('option').locator(part).allTextContents()).filter((text) => text.trim() === ''), part).toEqual([]);
  await keepScreenshot(page, info, 'cell-list');
  await page.keyboard.type('greff');
  await expect(list.getByRole('option')).toHaveText([/coupled/]);
  await page.keyboard.press('Enter');
  await expect(field).toHaveText('LSTM, coupled');
  expect(names.length).toBeGreaterThan(4);
  for (const name of names) {
    expect(name, 'a name of its own, not the one of the configuration').not.toMatch(/^[a-z]+-[a-z-]+$/);
    await chooseCell(page, name);
    await expect(page.getByRole('img', { name: /^Diagram of a/ })).toBeVisible();
    const equations = page.locator('.equations');
    await expect(equations.locator('code').first()).toBeVisible();
    expect(await equations.textContent()).not.toContain('diagrams.meaning');
    await keepScreenshot(page, info, `cell-${name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')}`);
  }
});

test('a cell has its options, and drawing and equations follow them', async ({}, info) => {
  const { page } = running;
  await chooseSample(page, 'Air passengers');
  const equations = page.locator('.equations');
  const option = async (label: string, value: string) => {
    await page.getByRole('combobox', { name: label, exact: true }).click();
    await page.getByRole('option', { name: value, exact: true }).click();
  };
  await chooseCell(page, 'LSTM');
  await expect(equations).toContainText('it');
  await option('Leave out', 'input gate');
  await expect(equations).not.toContainText('how much of the new to let in');
  await keepScreenshot(page, info, 'option-without-input-gate');
  await option('Leave out', 'output function');
  await keepScreenshot(page, info, 'option-without-output-function');

  // Another cell begins with its own options.
  await chooseCell(page, 'sLSTM');
  await expect(page.getByRole('combobox', { name: 'Leave out' })).toHaveCount(0);
  await option('Forget gate', 'exponential');
  await expect(equations).not.toContainText('log');

  await chooseCell(page, 'Clockwork RNN');
  const periods = page.getByRole('textbox', { name: 'Periods' });
  await expect(periods).toHaveValue('1, 2, 4, 8');
  await periods.fill('1, 2, 3');
  await periods.press('Enter');
  await expect(page.getByText('3 periods cannot share 64 units equally', { exact: false })).toBeVisible();
  await keepScreenshot(page, info, 'option-periods-wrong');
});
