import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, type Page } from '@playwright/test';
import type { ExportReport, RunStatus } from '../../engine/contracts';

/** What a person does in the window, in English, and what can be read there and in the workspace. */

/** Numbers asked for on the Model screen, by the names of their fields. */
export type Fields = Record<string, string>;

export async function openScreen(page: Page, name: string): Promise<void> {
  await page.getByRole('navigation').getByRole('button', { name, exact: true }).click();
}

/** Imports a shipped sample from the empty Data screen and goes on to the Model screen. */
export async function chooseSample(page: Page, title: string): Promise<void> {
  await page.getByText(title, { exact: true }).click();
  await page.getByRole('button', { name: 'Choose a model' }).click();
  await expect(page.getByRole('radiogroup', { name: 'Which settings' })).toBeVisible();
}

/** The cell of the layer that is chosen on the Model screen, by its name there. */
export async function chooseCell(page: Page, name: string): Promise<void> {
  const field = page.getByRole('combobox', { name: 'Cell' });
  await field.click();
  await page.getByRole('option', { name, exact: true }).click();
  await expect(field).toHaveText(name);
}

async function fill(page: Page, fields: Fields): Promise<void> {
  for (const [name, value] of Object.entries(fields)) {
    const field = page.getByRole('textbox', { name, exact: true });
    await field.fill(value);
    await field.press('Enter');
    await expect(field).toHaveValue(value);
  }
}

/** Sets fields of the training and presses Train; the Train screen opens with the run. */
export async function train(page: Page, fields: Fields): Promise<void> {
  await page.getByRole('radio', { name: 'Training', exact: true }).click();
  await fill(page, fields);
  await page.getByRole('main').getByRole('button', { name: /^Train\b/ }).click();
  await expect(page.getByRole('main', { name: 'Train' })).toBeVisible();
}

/** The run's pill beside its name. */
export async function expectState(page: Page, state: string, timeout = 120_000): Promise<void> {
  await expect(page.locator('.screen-bar .pill')).toHaveText(state, { timeout });
}

export function plates(page: Page) {
  return page.getByRole('group', { name: 'Gates and states over time' });
}

/** What is drawn of the gates: a hash of the pixels of the data layers, and the numbers under the cursor. */
export async function readPlates(page: Page): Promise<{ pixels: string; colours: number; numbers: string }> {
  const group = plates(page);
  const drawn = await group.locator('canvas').evaluateAll((canvases) =>
    (canvases as HTMLCanvasElement[]).map((canvas) => {
      const context = canvas.getContext('2d');
      if (!context || canvas.width === 0 || canvas.height === 0) return { text: '', colours: 0 };
      const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
      const colours = new Set<number>();
      let hash = 0;
      for (let at = 0; at < data.length; at += 4) {
        const colour = ((data[at] ?? 0) << 16) | ((data[at + 1] ?? 0) << 8) | (data[at + 2] ?? 0);
        colours.add(colour);
        hash = (Math.imul(hash, 31) + colour) | 0;
      }
      return { text: String(hash), colours: colours.size };
    }),
  );
  const numbers = (await group.getByRole('status').textContent()) ?? '';
  return { pixels: drawn.map((each) => each.text).join('/'), colours: Math.max(0, ...drawn.map((each) => each.colours)), numbers };
}

export function readStatus(workspace: string, run: string): RunStatus {
  return JSON.parse(readFileSync(join(workspace, 'runs', run, 'status.json'), 'utf8')) as RunStatus;
}

export function runIds(workspace: string): string[] {
  const folder = join(workspace, 'runs');
  return existsSync(folder) ? readdirSync(folder).filter((name) => !name.startsWith('.')).sort() : [];
}

/** SHA-256 of a checkpoint's weights: equal means the same bits. */
export function weightsHash(workspace: string, run: string, step: number): string {
  return createHash('sha256').update(readFileSync(join(workspace, 'runs', run, 'checkpoints', `step-${step}`, 'model.safetensors'))).digest('hex');
}

/** Highest step of which a whole checkpoint exists. */
export function newestCheckpoint(workspace: string, run: string): number {
  const folder = join(workspace, 'runs', run, 'checkpoints');
  if (!existsSync(folder)) return -1;
  return Math.max(-1, ...readdirSync(folder).map((name) => Number(/^step-(\d+)$/.exec(name)?.[1] ?? -1)));
}

/** Exports the run that is open on the Train screen and gives the report written beside the file. */
export async function exportOnnx(page: Page, workspace: string, run: string): Promise<ExportReport> {
  await page.getByRole('button', { name: 'Export ONNX…' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: /^Export/ }).click();
  await expect(dialog).toBeHidden({ timeout: 120_000 });
  const folder = join(workspace, 'runs', run, 'exports');
  const report = readdirSync(folder).find((name) => name.endsWith('.onnx.report.json'));
  if (!report) throw new Error(`${folder} holds no report`);
  return JSON.parse(readFileSync(join(folder, report), 'utf8')) as ExportReport;
}
