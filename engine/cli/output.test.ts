import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SluiceError } from '../contracts';
import { callerPath, workspacePath } from './context';
import { parseSplit } from './import';
import { metricsTable } from './metrics-lines';
import { count, createOutput, duration, figure, table } from './output';

function recorded(json: boolean, isTTY = false) {
  const written = { out: '', err: '' };
  const output = createOutput(json, {
    out: { write: (text) => (written.out += text) },
    err: { write: (text) => (written.err += text), isTTY, columns: 20 },
  });
  return { output, written };
}

describe('what a command writes', () => {
  it('is objects or lines, never both, and messages beside', () => {
    const asJson = recorded(true);
    asJson.output.line('for people');
    asJson.output.object({ event: 'x' });
    asJson.output.message('note');
    expect(asJson.written).toEqual({ out: '{"event":"x"}\n', err: 'note\n' });
    const forPeople = recorded(false);
    forPeople.output.line('for people');
    forPeople.output.object({ event: 'x' });
    expect(forPeople.written.out).toBe('for people\n');
  });

  it('shows progress on a terminal only, cut to its width and wiped before anything else', () => {
    const plain = recorded(false);
    plain.output.progress('half way');
    expect(plain.written.err).toBe('');
    const terminal = recorded(false, true);
    terminal.output.progress('a line that is longer than the terminal');
    terminal.output.line('done');
    expect(terminal.written.err).toContain('a line that is long\r');
    expect(terminal.written.err.endsWith('\r\u001b[2K')).toBe(true);
  });

  it('says an error in one line, with where, and a stack only for debugging', () => {
    const { output, written } = recorded(true);
    output.error(new SluiceError({ code: 'FILE_EMPTY', message: 'is empty\n(really)', where: 'a.txt' }), false);
    expect(written.err).toBe('error: a.txt: is empty (really)\n');
    expect(JSON.parse(written.out)).toEqual({ event: 'error', code: 'FILE_EMPTY', message: 'is empty (really)', where: 'a.txt' });
    const said = (where: string, message: string): string => {
      const { output: plain, written: lines } = recorded(false);
      plain.error(new SluiceError({ code: 'FILE_NOT_TEXT', message, where }), false);
      return lines.err;
    };
    expect(said('a.txt, byte 2', 'a.txt is not text at byte 2')).toBe('error: a.txt is not text at byte 2\n');
    expect(said('/data/a (1).txt', 'a (1).txt is empty')).toBe('error: a (1).txt is empty\n');
    // A letter inside another word names nothing.
    expect(said('a', 'a run is a run')).toBe('error: a run is a run\n');
    expect(said('b', 'nobody trains')).toBe('error: b: nobody trains\n');
    const debug = recorded(false);
    debug.output.error(new Error('inner'), true);
    expect(debug.written.err).toContain('    at ');
  });
});

describe('figures', () => {
  it('are written to be read', () => {
    expect([count(1234567.4), figure(0.02751), figure(1234.56), figure(3e-7), figure(0), figure(-2.5)]).toEqual(['1,234,567', '0.0275', '1234.6', '3.000e-7', '0.0000', '-2.5000']);
    expect([duration(5), duration(65), duration(3725), duration(59.7)]).toEqual(['0:05', '1:05', '1:02:05', '1:00']);
  });

  it('stand in columns', () => {
    expect(table([['', 'mse'], ['train', '1'], ['x', '12.5']])).toEqual(['        mse', 'train     1', 'x      12.5']);
  });

  it('of a forecast stand beside the naive ones', () => {
    const lines = metricsTable({ test: { loss: 1, mse: 0.5, mae: 0.25, raw: { mse: 5, mae: 2 }, baselines: { last: { mse: 1, mae: 1 }, seasonal: { mse: 2, mae: 2, season: 24 } }, windows: 10 }, train: null });
    expect(lines).toHaveLength(4);
    expect(lines[2]).toMatch(/last value +1\.0000 +1\.0000/);
    expect(lines[3]).toMatch(/24 steps before +2\.0000/);
  });
});

describe('options', () => {
  it('of a split are rows or shares', () => {
    expect(parseSplit('8640,2880,2880')).toEqual({ rows: [8640, 2880, 2880] });
    expect(parseSplit('0.7, 0.1, 0.2')).toEqual({ shares: [0.7, 0.1, 0.2] });
    for (const wrong of ['1,2', '1,2,3,4', '1,0,2', 'a,b,c', '-1,2,3', '']) expect(() => parseSplit(wrong)).toThrow(/three numbers/);
  });

  it("resolve relative paths in the caller's folder", () => {
    expect(callerPath('data.csv', { INIT_CWD: '/home/me' })).toBe(resolve('/home/me/data.csv'));
    expect(callerPath('/abs/data.csv', { INIT_CWD: '/home/me' })).toBe(resolve('/abs/data.csv'));
    expect(callerPath('data.csv', {})).toBe(resolve('data.csv'));
  });

  it('of the workspace win over the environment, which wins over the home folder', () => {
    const environment = { INIT_CWD: '/home/me', SLUICE_WORKSPACE: '/data/w' };
    expect(workspacePath('mine', environment)).toBe(resolve('/home/me/mine'));
    expect(workspacePath(undefined, environment)).toBe(resolve('/data/w'));
    expect(workspacePath(undefined, {})).toMatch(/Sluice$/);
  });
});
