import { expect, test } from '@playwright/test';
import { createHome, keepScreenshot, launch, type Home, type RunningApp } from '../kit/app';
import { chooseCell, chooseSample, openScreen } from '../kit/window';

/** What stands around the cells is set on the Model screen, and what does not fit is said at its field, in both languages. */
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

test('options of a layer and of the weights, with what is wrong at its field', async ({}, info) => {
  const { page } = running;
  await chooseSample(page, 'Air passengers');
  await page.getByText('Norm, residual and more').click();
  await page.getByRole('switch', { name: 'Layer norm' }).click();
  await page.getByRole('switch', { name: 'Residual' }).click();
  await expect(page.getByText(/A residual connection needs both to be equal/)).toBeVisible();
  await expect(page.getByText('γ', { exact: true })).toBeVisible();
  await page.getByRole('switch', { name: 'Residual' }).click();
  const zoneout = page.getByRole('textbox', { name: 'Zoneout of h', exact: true });
  await zoneout.fill('0.1');
  await zoneout.press('Enter');
  await expect(page.getByText(/zoneout mixes the states/).first()).toBeVisible();
  await keepScreenshot(page, info, 'layer-light-en');

  await page.getByRole('radio', { name: 'Training', exact: true }).click();
  for (const [name, value] of [['Forget bias', '1'], ['Chrono, lags up to', '100']] as const) {
    const field = page.getByRole('textbox', { name, exact: true });
    await field.fill(value);
    await field.press('Enter');
  }
  await expect(page.getByText('Forget bias and chrono set the same biases. Leave one of them empty.')).toBeVisible();
  await keepScreenshot(page, info, 'initial-light-en');

  await openScreen(page, 'Settings');
  await page.getByRole('radio', { name: '한국어' }).click();
  await page.getByRole('radio', { name: '어둡게' }).click();
  await page.getByRole('navigation').getByRole('button', { name: '모델', exact: true }).click();
  await expect(page.getByText('망각 편향과 크로노 초기화는 같은 편향을 정합니다. 하나를 비워 두십시오.')).toBeVisible();
  await expect(page.locator('.found')).toHaveCount(0);
  await keepScreenshot(page, info, 'initial-dark-ko');
  await page.getByRole('radio', { name: '층', exact: true }).click();
  await expect(page.getByRole('switch', { name: '층 정규화' })).toBeVisible();
  await keepScreenshot(page, info, 'layer-dark-ko');
});

test('what a cell cannot have is not offered, with the reason at its place', async ({}, info) => {
  const { page } = running;
  await chooseSample(page, 'Air passengers');
  await page.getByText('Norm, residual and more').click();
  const share = page.getByRole('textbox', { name: 'DropConnect', exact: true });
  await share.fill('0.2');
  await share.press('Enter');
  // Set before, it stays in sight until it is taken back.
  await chooseCell(page, 'minLSTM');
  await expect(page.getByText('This cell has no recurrent weights to drop. Set it to 0 or choose another cell.')).toBeVisible();
  await share.fill('0');
  await share.press('Enter');
  await expect(page.getByText('Set it to 0 or choose another cell', { exact: false })).toHaveCount(0);
  await expect(share).toBeFocused();
  await chooseCell(page, 'minGRU');
  await expect(share).toHaveCount(0);
  await expect(page.getByText('This cell has no recurrent weights to drop.', { exact: true })).toBeVisible();
  await expect(page.getByText('not with this cell')).toHaveCount(2);
  await expect(page.getByRole('textbox', { name: /^Zoneout/ })).toHaveCount(0);
  await keepScreenshot(page, info, 'layer-refused');
  await chooseCell(page, 'RNN');
  await expect(share).toBeVisible();
  await page.getByRole('radio', { name: 'Training', exact: true }).click();
  await expect(page.getByText('no layer has one', { exact: false })).toBeVisible();
  await expect(page.getByRole('textbox', { name: 'Forget bias', exact: true })).toHaveCount(0);
});
