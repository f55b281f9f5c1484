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
  const names = await page.getByRole('option').allTextContents();
  await page.keyboard.press('Escape');
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
