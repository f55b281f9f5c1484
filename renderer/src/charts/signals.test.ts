import { describe, expect, it } from 'vitest';
import { drawnSignal, hasWords, isUnknown, minimumColumn, readValue, shownToken, shownValue, signalKey, signalNumber, stepName, wordStep } from './signals';

describe('ruler', () => {
  it('shows white space and widens columns for Hangul', () => {
    expect([' ', '\n', 'a'].map(shownToken)).toEqual(['·', '↵', 'a']);
    expect(minimumColumn({ kind: 'text', texts: ['a', 'b'] })).toBe(8);
    expect(minimumColumn({ kind: 'text', texts: ['a', '물'] })).toBe(13);
    expect(minimumColumn({ kind: 'series', name: 'OT', values: [1], times: null })).toBe(1);
  });

  it('shows a token without a character as one glyph', () => {
    expect([...shownToken('<unk>')]).toHaveLength(1);
    expect(['<unk>', 'a', '물', '\n', '🌊', ''].map(isUnknown)).toEqual([true, false, false, false, false, false]);
  });

  it('gives words the room of several columns', () => {
    expect(hasWords({ kind: 'text', texts: ['a', '물', '<unk>'] })).toBe(false);
    expect(hasWords({ kind: 'text', texts: ['.', 'room'] })).toBe(true);
    expect(shownToken('room')).toBe('room');
    expect(minimumColumn({ kind: 'text', texts: ['.', 'room'] })).toBe(15);
  });

  it('names a step by what stands there', () => {
    expect(stepName({ kind: 'text', texts: ['a', '\n'] }, 1)).toBe('t 1 (↵)');
    expect(stepName({ kind: 'series', name: 'OT', values: [1], times: ['2017-11-17 02:00'] }, 0)).toBe('t 0 (2017-11-17 02:00, OT)');
    expect(stepName({ kind: 'series', name: 'OT', values: [1], times: null }, 0)).toBe('t 0 (OT)');
  });

  it('tells letters of two meanings apart', () => {
    const key = (name: string, scale: 'openness' | 'signed' | 'tanh') => signalKey({ name, scale });
    expect([key('z', 'openness'), key('z', 'signed'), key('n', 'signed'), key('n', 'tanh'), key('m', 'tanh')]).toEqual(['z', 'g', 'n', 'normalizer', 'm']);
  });

  it('steps from word to word', () => {
    const texts = [...'to be or'];
    expect(wordStep(texts, 0, 1)).toBe(3);
    expect(wordStep(texts, 3, 1)).toBe(6);
    expect(wordStep(texts, 6, 1)).toBe(7);
    expect(wordStep(texts, 7, -1)).toBe(6);
    expect(wordStep(texts, 3, -1)).toBe(0);
  });
});

describe('values', () => {
  it('are drawn as tanh for a cell state only, and read as they are', () => {
    const values = Float32Array.of(2, -1);
    expect(readValue({ name: 'c', scale: 'tanh', values }, 2, 0, 0)).toBe(2);
    expect(shownValue({ name: 'c', scale: 'tanh', values }, 2, 0, 0)).toBeCloseTo(Math.tanh(2));
    expect(shownValue({ name: 'h', scale: 'signed', values }, 2, 1, 0)).toBe(-1);
    expect(shownValue({ name: 'h', scale: 'signed', values }, 2, 0, 5)).toBeNaN();
  });

  it('of attention are drawn against the largest', () => {
    const signal = { name: 'α', scale: 'openness' as const, values: Float32Array.of(0.01, 0.02), top: 0.02 };
    expect([...drawnSignal(signal).values]).toEqual([0.5, 1]);
    expect(drawnSignal({ ...signal, top: 0 }).values).toBe(signal.values);
  });

  it('are written with a real minus sign and no signed zero', () => {
    expect(signalNumber(-0.716, 'signed')).toBe('−0.72');
    expect(signalNumber(-0.001, 'signed')).toBe('0.00');
    expect(signalNumber(0.5, 'signed')).toBe('+0.50');
    expect(signalNumber(0.5, 'openness')).toBe('0.50');
    expect(signalNumber(NaN, 'signed')).toBe('NaN');
    expect(signalNumber(-Infinity, 'signed')).toBe('−∞');
  });
});
