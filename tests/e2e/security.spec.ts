import { expect, test } from '@playwright/test';
import type { ShellBridge } from '../../engine/contracts';
import { findRuntime } from '../../scripts/lib/electron-runtime.mjs';
import { sandboxSwitches } from '../../scripts/lib/sandbox.mjs';
import { createHome, launch, type Home, type RunningApp } from '../kit/app';

/** Electron's security checklist, held to the application as it runs. */
let home: Home;
let running: RunningApp;

test.beforeAll(async () => {
  home = createHome();
  running = await launch(home);
});
test.afterAll(async () => {
  await running?.quit();
  home?.remove();
});

declare global {
  interface Window {
    sluice: ShellBridge;
  }
}

test('the page is sandboxed, isolated and has no Node', async () => {
  const preferences = await running.app.evaluate(({ BrowserWindow }) => {
    const contents = BrowserWindow.getAllWindows()[0]?.webContents as unknown as { getLastWebPreferences(): Record<string, unknown> };
    return contents.getLastWebPreferences();
  });
  expect(preferences).toMatchObject({ sandbox: true, contextIsolation: true, nodeIntegration: false, webSecurity: true });
  expect(preferences.webviewTag ?? false).toBe(false);
  expect(preferences.allowRunningInsecureContent ?? false).toBe(false);
  expect(preferences.experimentalFeatures ?? false).toBe(false);
  const globals = await running.page.evaluate(() => ['require', 'process', 'module', 'Buffer', 'electron'].filter((name) => name in window));
  expect(globals).toEqual([]);
});

test('the sandbox is off only where the system gives no choice', async () => {
  const isOff = await running.app.evaluate(({ app }) => app.commandLine.hasSwitch('no-sandbox'));
  const executable = findRuntime()?.executable ?? '';
  expect(isOff).toBe(sandboxSwitches(executable).includes('--no-sandbox'));
  if (process.getuid?.() === 0) expect(isOff).toBe(true);
});

test('the bridge has named functions only', async () => {
  const names = await running.page.evaluate(() => Object.keys(window.sluice).sort());
  expect(names).toEqual(['call', 'onCommand', 'onEngineState', 'pathForFile', 'platform', 'requestEnginePorts']);
});

test('the page comes from the own scheme with a strict policy', async () => {
  expect(running.page.url()).toMatch(/^sluice:\/\/app\/index\.html/);
  const headers = await running.page.evaluate(async () => Object.fromEntries((await fetch('sluice://app/index.html')).headers));
  expect(headers['content-security-policy']).toContain("default-src 'none'");
  expect(headers['content-security-policy']).toContain("script-src 'self'");
  expect(headers['content-security-policy']).not.toContain('unsafe-eval');
  expect(headers['x-content-type-options']).toBe('nosniff');
});

test('inline scripts, eval and foreign addresses are refused', async () => {
  const refused = await running.page.evaluate(async () => {
    const violations = new Set<string>();
    document.addEventListener('securitypolicyviolation', (event) => violations.add(event.effectiveDirective));
    const inline = document.createElement('script');
    inline.textContent = 'window.inlineRan = true';
    document.body.append(inline);
    const image = new Image();
    image.src = 'https://example.org/x.png';
    const frame = document.createElement('iframe');
    frame.src = 'https://example.org/';
    document.body.append(frame);
    const evaluated = await new Promise<string>((resolve) => {
      // A timer runs outside the debugger's evaluation, for which the policy does not hold.
      setTimeout(() => {
        try {
          // eslint-disable-next-line no-eval -- that it is refused is what the test is about
          resolve(`ran: ${String((0, eval)('1 + 1'))}`);
        } catch {
          resolve('refused');
        }
      });
    });
    const fetched = await fetch('https://example.org/').then(
      () => 'answered',
      () => 'refused',
    );
    await new Promise((resolve) => setTimeout(resolve));
    inline.remove();
    return { inlineRan: 'inlineRan' in window, evaluated, fetched, violations: [...violations].sort() };
  });
  expect(refused.inlineRan).toBe(false);
  expect(refused.evaluated).toBe('refused');
  expect(refused.fetched).toBe('refused');
  expect(refused.violations).toEqual(expect.arrayContaining(['connect-src', 'img-src', 'script-src', 'script-src-elem']));
  expect(running.page.frames().filter((frame) => frame.url().startsWith('https:'))).toEqual([]);
  await running.page.evaluate(() => document.querySelector('iframe')?.remove());
});

test('the own scheme serves the bundle and nothing beside it', async () => {
  const statuses = await running.page.evaluate(async () => {
    const status = async (address: string): Promise<number | string> => fetch(address).then((answer) => answer.status, () => 'refused');
    return [
      await status('sluice://app/index.html'),
      await status('sluice://app/..%2f..%2fpackage.json'),
      await status('sluice://app/..%2fmain%2findex.js'),
      await status('sluice://other/index.html'),
      await status('file:///etc/passwd'),
    ];
  });
  expect(statuses[0]).toBe(200);
  expect(statuses.slice(1, 3)).toEqual([404, 404]);
  expect(statuses[3] === 404 || statuses[3] === 'refused').toBe(true);
  expect(statuses[4]).toBe('refused');
});

test('the page cannot leave, open windows or get a permission', async () => {
  const before = running.page.url();
  await running.page.evaluate(() => {
    location.href = 'https://example.org/';
  });
  const opened = await running.page.evaluate(() => window.open('https://example.org/') !== null);
  expect(opened).toBe(false);
  const permissions = await running.page.evaluate(async () => {
    const location = await new Promise<string>((resolve) =>
      navigator.geolocation.getCurrentPosition(
        () => resolve('given'),
        () => resolve('denied'),
      ),
    );
    const media = await navigator.mediaDevices.getUserMedia({ audio: true }).then(
      () => 'given',
      () => 'denied',
    );
    const clipboard = await navigator.clipboard.readText().then(
      () => 'given',
      () => 'denied',
    );
    return { location, media, clipboard, notifications: await Notification.requestPermission() };
  });
  expect(permissions).toEqual({ location: 'denied', media: 'denied', clipboard: 'denied', notifications: 'denied' });
  expect(running.page.url()).toBe(before);
  expect(await running.app.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows().length)).toBe(1);
});

test('requests of unknown form are refused with a code', async () => {
  const codes = await running.page.evaluate(async () => {
    const call = window.sluice.call as (method: string, input: unknown) => Promise<unknown>;
    const code = (method: string, input: unknown): Promise<string> =>
      call(method, input).then(
        () => 'answered',
        (error: { code?: string }) => error.code ?? 'no code',
      );
    return [
      await code('app.quitNow', {}),
      await code('__proto__', {}),
      await code('settings.set', { theme: 'pink' }),
      await code('settings.set', { theme: 'dark', more: true }),
      await code('window.control', { action: 'explode' }),
      await code('dialog.saveCopy', { source: '/etc/passwd', suggestedName: 'x' }),
      await code('shell.reveal', { path: '/etc/passwd' }),
      await code('app.info', {}),
    ];
  });
  expect(codes).toEqual([...Array<string>(7).fill('INPUT_INVALID'), 'answered']);
});

test('a page that is not the window is refused, although it has the bridge', async () => {
  const reply = await running.app.evaluate(async ({ app, BrowserWindow }) => {
    const foreign = new BrowserWindow({ show: false, webPreferences: { preload: `${app.getAppPath()}/out/preload/index.cjs`, sandbox: true } });
    try {
      await foreign.loadURL('data:text/html,<p>foreign</p>');
      return (await foreign.webContents.executeJavaScript(
        `new Promise((resolve) => {
          let ports = 0;
          addEventListener('message', () => { ports += 1; });
          sluice.requestEnginePorts();
          sluice.call('app.info', {}).then(() => resolve('answered'), (error) => setTimeout(() => resolve(error.code + ' ' + ports), 500));
        })`,
      )) as string;
    } finally {
      foreign.destroy();
    }
  });
  expect(reply).toBe('INPUT_INVALID 0');
});

test('junk on the control port harms nobody', async () => {
  const answers = await running.page.evaluate(
    () =>
      new Promise<unknown[]>((resolve) => {
        const got: unknown[] = [];
        window.addEventListener('message', (event: MessageEvent<{ type?: string }>) => {
          const control = event.ports[0];
          if (event.data.type !== 'sluice:engine-ports' || !control) return;
          control.addEventListener('message', (answer: MessageEvent<{ kind: string; id?: number; error?: { code: string } }>) => {
            if (answer.data.id === undefined || answer.data.id < 900_000) return;
            got.push([answer.data.id, answer.data.kind, answer.data.error?.code ?? null]);
            if (answer.data.id === 900_003) resolve(got);
          });
          control.start();
          control.postMessage('junk');
          control.postMessage({ id: 900_001, method: 'runs.list', input: {}, more: 1 });
          control.postMessage({ id: 900_002, method: 'constructor', input: {} });
          control.postMessage({ id: 900_003, method: 'system.info', input: {} });
        });
        window.sluice.requestEnginePorts();
      }),
  );
  expect(answers).toEqual([
    [900_001, 'error', 'INPUT_INVALID'],
    [900_002, 'error', 'INPUT_INVALID'],
    [900_003, 'result', null],
  ]);
});
