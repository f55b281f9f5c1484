import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { _electron, type ElectronApplication, type Page, type TestInfo } from '@playwright/test';
import { findRuntime, runtimeEnvironment } from '../../scripts/lib/electron-runtime.mjs';
import { sandboxSwitches } from '../../scripts/lib/sandbox.mjs';

const launchLimitMs = 60_000;
const closeLimitMs = 30_000;

export const checkout = resolve(import.meta.dirname, '../..');

/** Folders of one test: nothing it does is seen by another. */
export interface Home {
  workspace: string;
  userData: string;
  remove(): void;
}

export function createHome(): Home {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-e2e-'));
  const home = { workspace: join(folder, 'workspace'), userData: join(folder, 'user-data') };
  mkdirSync(home.userData);
  return { ...home, remove: () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }) };
}

export interface RunningApp {
  app: ElectronApplication;
  page: Page;
  /** Asks the application to quit as its user would, and waits until it is gone. */
  quit(): Promise<void>;
}

/** Opens the real window on a home of the test's own. */
export async function launch(home: Home, options: { language?: 'en-US' | 'ko-KR'; env?: Record<string, string> } = {}): Promise<RunningApp> {
  const runtime = findRuntime();
  if (!runtime) throw new Error('there is no Electron runtime: run npm test, which sets one up');
  const environment = Object.fromEntries(Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined));
  const app = await _electron.launch({
    executablePath: runtime.executable,
    args: [
      ...sandboxSwitches(runtime.executable),
      checkout,
      `--user-data-dir=${home.userData}`,
      `--lang=${options.language ?? 'en-US'}`,
      '--workspace',
      home.workspace,
    ],
    env: { ...environment, ...runtimeEnvironment(runtime), LANGUAGE: (options.language ?? 'en-US').replace('-', '_'), ...options.env },
    timeout: launchLimitMs,
  });
  // Playwright forgets the process of an application that has ended.
  const child = app.process();
  const page = await app.firstWindow({ timeout: launchLimitMs });
  await page.waitForLoadState('domcontentloaded');
  return {
    app,
    page,
    quit: () => quit(app, child),
  };
}

async function quit(app: ElectronApplication, child: ReturnType<ElectronApplication['process']>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((settle) => child.once('exit', () => settle()));
  const limit = setTimeout(() => child.kill('SIGKILL'), closeLimitMs);
  // The evaluation may not answer any more: the process it runs in is leaving.
  await app.evaluate(({ app: electronApp }) => void setTimeout(() => electronApp.quit(), 0)).catch(() => {});
  await gone;
  clearTimeout(limit);
}

/** A picture for people to look at, kept with the test's results. */
export async function keepScreenshot(page: Page, info: TestInfo, name: string): Promise<void> {
  const folder = join(checkout, 'test-results', 'screenshots');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${name}.png`);
  await page.screenshot({ path });
  await info.attach(name, { path, contentType: 'image/png' });
}
