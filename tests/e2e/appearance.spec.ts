import { expect, test } from '@playwright/test';
import { createHome, keepScreenshot, launch, type Home, type RunningApp } from '../kit/app';
import { chooseSample, openScreen } from '../kit/window';

/** Both languages and both themes, on every screen; pictures are kept for people to look at. */
let home: Home;
let running: RunningApp;

test.afterEach(async () => {
  await running?.quit();
  home?.remove();
});

const screens = ['Data', 'Model', 'Train', 'Models', 'Settings'];

test('language and theme change at once and are kept', async ({}, info) => {
  home = createHome();
  running = await launch(home);
  let { page } = running;
  await chooseSample(page, 'Air passengers');
  await openScreen(page, 'Settings');
  await page.getByRole('radio', { name: 'Dark', exact: true }).click();
  await expect.poll(() => page.evaluate(() => matchMedia('(prefers-color-scheme: dark)').matches || document.documentElement.dataset.theme === 'dark')).toBe(true);
  const dark = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.getByRole('radio', { name: 'Light', exact: true }).click();
  await expect.poll(() => page.evaluate(() => getComputedStyle(document.body).backgroundColor)).not.toBe(dark);
  for (const name of screens) {
    await openScreen(page, name);
    await keepScreenshot(page, info, `light-en-${name.toLowerCase()}`);
  }
  await page.getByRole('radio', { name: '한국어' }).click();
  await page.getByRole('radio', { name: '어둡게' }).click();
  await expect(page.locator('html')).toHaveAttribute('lang', 'ko');
  const labels = await page.getByRole('navigation').getByRole('button').allTextContents();
  expect(labels.map((label) => label.trim())).toHaveLength(screens.length);
  for (const label of labels) expect(label).toMatch(/[가-힣]/);
  for (const [at, label] of labels.entries()) {
    await page.getByRole('navigation').getByRole('button', { name: label.trim(), exact: true }).click();
    await keepScreenshot(page, info, `dark-ko-${screens[at]?.toLowerCase()}`);
    const english = await page.evaluate(() => document.querySelector('h1')?.textContent ?? '');
    expect(english).not.toMatch(/^(Settings|Models|Train|Data|Model)$/);
  }

  await running.quit();
  running = await launch(home);
  page = running.page;
  await expect(page.locator('html')).toHaveAttribute('lang', 'ko');
  await expect.poll(() => page.evaluate(() => getComputedStyle(document.body).backgroundColor)).toBe(dark);
});

test('a Korean system opens a Korean window', async () => {
  home = createHome();
  running = await launch(home, { language: 'ko-KR' });
  await expect(running.page.locator('html')).toHaveAttribute('lang', 'ko');
  await expect(running.page.getByRole('navigation')).toContainText('데이터');
});
