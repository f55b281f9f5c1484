import { expect, test, type Page } from '@playwright/test';
import { createHome, keepScreenshot, launch, type Home, type RunningApp } from '../kit/app';
import { cutWords, resize } from '../kit/layout';
import { chooseCell, chooseSample, expectState, openScreen, plates, train } from '../kit/window';

/** How the window behaves around the two journeys: sizes, lists, undo, charts, the diagram, an engine that is gone. */
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

const runRows = (page: Page) => page.getByRole('listbox', { name: 'Runs' }).getByRole('option');
const colours = (page: Page) =>
  runRows(page).evaluateAll((rows) => Object.fromEntries(rows.map((row) => [row.id, (row.querySelector('.swatch') as HTMLElement).style.background])));

async function trainBriefly(page: Page, steps = '12'): Promise<void> {
  await train(page, { 'Steps at most': steps, 'Validate every': '6', 'Checkpoint every': '6' });
  await expectState(page, 'Done');
}

test('every screen is whole at the smallest, a usual and a large size, in both languages', async ({}, info) => {
  test.slow();
  const { app, page } = running;
  await chooseSample(page, 'Constitution of Korea');
  await trainBriefly(page);
  for (const language of ['en', 'ko'] as const) {
    // The last entry of the rail is Settings, in whatever language it stands there now.
    await page.getByRole('navigation').getByRole('button').last().click();
    await page.getByRole('radio', { name: language === 'en' ? 'English' : '한국어' }).click();
    await expect(page.locator('html')).toHaveAttribute('lang', language);
    for (const [width, height] of [[960, 640], [1280, 800], [1600, 960]] as const) {
      await resize(app, page, width, height);
      const rail = page.getByRole('navigation').getByRole('button');
      for (let screen = 0; screen < (await rail.count()); screen++) {
        await rail.nth(screen).click();
        await expect(page.getByRole('main')).toHaveAttribute('aria-label', /./);
        const place = `${language} ${width} screen ${screen + 1}`;
        await expect.poll(() => cutWords(page), { message: `${place}: words that are cut` }).toEqual([]);
        await keepScreenshot(page, info, `size-${place.replaceAll(' ', '-')}`);
      }
    }
  }
});

test('a small window still shows every chart of a training', async () => {
  const { app, page } = running;
  await chooseSample(page, 'Constitution of Korea');
  await page.getByRole('main').getByRole('button', { name: /^Train\b/ }).click();
  await resize(app, page, 960, 640);
  for (const name of ['Loss', 'Gradient norm', 'Learning rate', 'Throughput']) {
    await expect(page.getByRole('group', { name: new RegExp(`· ${name}$`) })).toBeInViewport();
  }
  await expect(page.getByRole('slider', { name: 'Recorded step' })).toBeInViewport();
});

test('runs keep their colours, undo takes its message along, and a bad name is said at its field', async () => {
  const { page } = running;
  await chooseSample(page, 'Constitution of Korea');
  await trainBriefly(page);
  for (let more = 0; more < 2; more++) {
    await openScreen(page, 'Model');
    await page.getByRole('main').getByRole('button', { name: /^Train\b/ }).click();
    await expect(runRows(page)).toHaveCount(more + 2);
    await expectState(page, 'Done');
  }
  const before = await colours(page);
  expect(new Set(Object.values(before)).size).toBe(3);

  await runRows(page).last().click();
  await page.getByRole('listbox', { name: 'Runs' }).press('Delete');
  await expect(runRows(page)).toHaveCount(2);
  expect(before).toMatchObject(await colours(page));
  const offer = page.getByRole('status').filter({ has: page.getByRole('button', { name: 'Undo' }) });
  await expect(offer).toBeVisible();
  // It takes no click but on its buttons, and the scrubber at the window's foot stays free.
  const place = await offer.boundingBox();
  const scrubber = await page.getByRole('slider', { name: 'Recorded step' }).boundingBox();
  if (!place || !scrubber) throw new Error('nothing is drawn');
  expect(place.y + place.height).toBeLessThanOrEqual(scrubber.y);
  expect(await page.evaluate(({ x, y }) => document.elementFromPoint(x, y)?.closest('.toast') ?? null, { x: place.x + 40, y: place.y + place.height / 2 })).toBeNull();
  await page.keyboard.press('Control+z');
  await expect(runRows(page)).toHaveCount(3);
  await expect(offer).toBeHidden();
  expect(await colours(page)).toEqual(before);

  await page.getByRole('listbox', { name: 'Runs' }).press('F2');
  const field = page.getByRole('textbox', { name: 'Rename' });
  await field.fill('a/b');
  await field.press('Enter');
  await expect(field).toHaveAttribute('aria-invalid', 'true');
  await expect(runRows(page).getByRole('alert')).toContainText('letters');
  await field.fill('a name that works');
  await field.press('Enter');
  await expect(field).toBeHidden();
  await expect(runRows(page).filter({ hasText: 'works' })).toHaveCount(1);

  await running.quit();
  running = await launch(home);
  await openScreen(running.page, 'Train');
  await expect(runRows(running.page)).toHaveCount(3);
  expect(await colours(running.page)).toEqual(before);
});

test('keys are written as people know them, a menu’s word finds its command, and Paste takes the clipboard', async () => {
  const { app, page } = running;
  await page.getByText('Air passengers', { exact: true }).click();
  await page.getByRole('button', { name: 'Import a text or table…' }).click();
  await expect(page.getByRole('menuitem', { name: /^Open a file…/ }).locator('kbd')).toHaveText(/^(Ctrl O|⌘O)$/);
  await page.keyboard.press('Escape');
  await page.keyboard.press('ControlOrMeta+k');
  await page.keyboard.type('paste');
  await expect(page.locator('[data-command="data.paste"]')).toBeVisible();
  await app.evaluate(({ clipboard }) => clipboard.writeText('text of the clipboard'));
  await page.keyboard.press('Enter');
  await expect(page.getByRole('textbox', { name: 'Paste text or a table' })).toHaveValue('text of the clipboard');
});

test('a run that trains is stopped before it is deleted', async () => {
  const { page } = running;
  await chooseSample(page, 'Constitution of Korea');
  await train(page, { 'Steps at most': '3000' });
  await expect.poll(() => runRows(page).first().locator('svg path').last().getAttribute('d')).toMatch(/^M.*L/);
  const curve = await runRows(page).first().locator('svg path').last().getAttribute('d');
  await expect.poll(() => runRows(page).first().locator('svg path').last().getAttribute('d'), { message: 'the curve in the list grows' }).not.toBe(curve);
  await page.getByRole('listbox', { name: 'Runs' }).press('Delete');
  const message = page.getByRole('status').filter({ hasText: 'stopped before it is deleted' });
  await message.getByRole('button', { name: 'Stop and keep' }).click();
  await expectState(page, 'Stopped');
  await page.getByRole('listbox', { name: 'Runs' }).press('Delete');
  await expect(page.getByText('No run yet')).toBeVisible();
});

test('the loss follows the scrubber and back, zooms, and goes to the clipboard as a picture', async () => {
  const { app, page } = running;
  await chooseSample(page, 'Constitution of Korea');
  await trainBriefly(page, '30');
  const cursor = page.getByTestId('loss-cursor');
  const scrubber = page.getByRole('slider', { name: 'Recorded step' });
  await expect(cursor).toHaveAttribute('data-step', '30');
  await scrubber.press('Home');
  await expect(cursor).toHaveAttribute('data-step', '0');

  const chart = page.getByRole('group', { name: /· Loss$/ });
  const box = (await chart.boundingBox())!;
  await page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
  await page.mouse.move(2, 2);
  await expect(cursor).not.toHaveAttribute('data-step', '0');
  const step = Number(await cursor.getAttribute('data-step'));
  expect(step).toBeGreaterThan(5);
  expect(step).toBeLessThan(25);
  await expect(page.getByText(`step ${step}`, { exact: true })).toBeVisible();

  await page.mouse.move(box.x + 60, box.y + box.height / 2);
  await page.keyboard.down('Control');
  for (let turn = 0; turn < 4; turn++) await page.mouse.wheel(0, -120);
  await page.keyboard.up('Control');
  await chart.click({ button: 'right' });
  await expect(page.getByRole('menuitem', { name: 'Show all' })).toBeVisible();
  await page.getByRole('menuitem', { name: 'Copy as picture' }).click();
  await expect(page.getByText('The picture is on the clipboard')).toBeVisible();
  const hasPicture = await app.evaluate(async ({ clipboard }) => {
    // Newer Electron answers asynchronously and has no image of its own.
    const board = clipboard as unknown as { readImage?: () => { isEmpty(): boolean }; has(type: string): Promise<boolean> };
    return board.readImage ? !board.readImage().isEmpty() : board.has('image/png');
  });
  expect(hasPicture).toBe(true);
});

test('a character the vocabulary lacks is one glyph, and says what it is', async () => {
  const { page } = running;
  await chooseSample(page, 'Constitution of Korea');
  await trainBriefly(page);
  const readout = plates(page).getByRole('status');
  await plates(page).press('Home');
  for (let step = 0; step < 200 && !(await readout.textContent())?.includes('unknown'); step++) await plates(page).press('ArrowRight');
  await expect(readout).toContainText('character unknown');
  const glyph = plates(page).locator('.at');
  await expect(glyph).toHaveText('□');
  await glyph.hover();
  await expect(page.getByRole('tooltip')).toContainText('not in the vocabulary');
});

test('the Model screen opens with its figures, and its paddles follow the gates of a run', async ({}, info) => {
  const { page } = running;
  await chooseSample(page, 'Constitution of Korea');
  const paddles = () => page.locator('[data-gate]').evaluateAll((all) => all.map((one) => (one as SVGElement & { dataset: DOMStringMap }).dataset['open']));
  const resting = await paddles();
  expect(resting).toHaveLength(3);
  await expect(page.getByText(/^The paddles are at rest/)).toBeVisible();
  await page.evaluate(() => {
    const seen: string[] = [];
    Object.assign(window, { missingSeen: seen });
    new MutationObserver(() => {
      if (document.querySelector('.cell-diagram')?.textContent?.includes('?')) seen.push('shape');
      for (const block of document.querySelectorAll('[role="option"] .count')) if (!block.textContent) seen.push('parameters');
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
  });
  await chooseCell(page, 'GRU');
  await expect(page.getByRole('img', { name: /gru/ })).toBeVisible();
  await chooseCell(page, 'LSTM');
  await page.getByRole('button', { name: 'another layer' }).click();
  await expect(page.getByRole('listbox', { name: 'Layers from input to output' }).getByRole('option')).toHaveCount(5);
  expect(await page.evaluate(() => (window as unknown as { missingSeen: string[] }).missingSeen)).toEqual([]);
  await page.keyboard.press('Control+z');

  await trainBriefly(page);
  await openScreen(page, 'Model');
  await expect(page.getByText(/^The paddles stand as far open .* step 12$/)).toBeVisible();
  expect(await paddles()).not.toEqual(resting);
  await keepScreenshot(page, info, 'model-paddles');
});

test('the message about an engine that stays down can be closed, and the status bar starts it', async () => {
  const { page } = running;
  const engine = () => page.evaluate(() => window.sluice.call('engine.state', {}));
  await expect
    .poll(
      async () => {
        const state = await engine();
        if (state.state === 'ready') process.kill(state.pid, 'SIGKILL');
        return state.state === 'exited' && !state.restarting;
      },
      { timeout: 60_000 },
    )
    .toBe(true);
  const banner = page.getByRole('main').getByRole('alert').filter({ hasText: 'The engine ended' });
  await expect(banner).toBeVisible();
  await banner.getByRole('button', { name: 'Dismiss' }).click();
  await expect(banner).toBeHidden();
  await page.getByRole('contentinfo').getByRole('button', { name: 'Start the engine' }).click();
  await expect.poll(async () => (await engine()).state).toBe('ready');
});
