import { describe, expect, it } from 'vitest';
import { answerCall, type ShellHandlers } from './call-guard';

const own = { url: 'sluice://app/index.html', isMainFrame: true };
const isOwn = (url: string): boolean => url.startsWith('sluice://app/');
const calls: unknown[] = [];
const handlers = new Proxy({} as ShellHandlers, {
  get: (_target, method) => (input: unknown) => {
    calls.push([method, input]);
    if (method === 'engine.restart') throw new Error('broken');
    return { done: method };
  },
});
const ask = (sender: typeof own | null, method: unknown, input: unknown) => answerCall(sender, method, input, isOwn, handlers);

describe('requests of the window', () => {
  it('are answered for the own page and a valid input', async () => {
    expect(await ask(own, 'app.info', {})).toEqual({ ok: true, output: { done: 'app.info' } });
  });

  it.each([
    ['a foreign page', { url: 'https://example.org/', isMainFrame: true }],
    ['a frame inside the page', { url: 'sluice://app/index.html', isMainFrame: false }],
    ['a frame that is gone', null],
  ])('are refused from %s', async (_name, sender) => {
    calls.length = 0;
    expect(await ask(sender, 'app.info', {})).toMatchObject({ ok: false, error: { code: 'INPUT_INVALID' } });
    expect(calls).toEqual([]);
  });

  it.each(['toString', 'constructor', '__proto__', 'files.delete', 7, null])('are refused for the method %j', async (method) => {
    expect(await ask(own, method, {})).toMatchObject({ ok: false, error: { code: 'INPUT_INVALID', where: 'method' } });
  });

  it.each([
    ['settings.set', { theme: 'pink' }, 'theme'],
    ['settings.set', { theme: 'dark', other: 1 }, ''],
    ['window.control', { action: 'explode' }, 'action'],
    ['clipboard.write', { text: 7 }, 'text'],
    ['clipboard.writePicture', { png: 'data:image/png;base64,' }, 'png'],
    ['clipboard.writePicture', { png: new Uint8Array() }, 'png'],
    ['dialog.save', { suggestedName: '', data: 'x' }, 'suggestedName'],
    ['app.info', undefined, ''],
    ['app.info', null, ''],
  ])('are refused where the input of %s is %j', async (method, input, where) => {
    calls.length = 0;
    expect(await ask(own, method, input)).toMatchObject({ ok: false, error: { code: 'INPUT_INVALID', where } });
    expect(calls).toEqual([]);
  });

  it('hand on only the settings that were given', async () => {
    calls.length = 0;
    await ask(own, 'settings.set', { theme: 'dark' });
    expect(calls).toEqual([['settings.set', { theme: 'dark' }]]);
  });

  it('come back as an error where the work fails', async () => {
    expect(await ask(own, 'engine.restart', {})).toEqual({ ok: false, error: { code: 'INTERNAL', message: 'broken' } });
  });
});
