import { describe, expect, it } from 'vitest';
import { i18n, setLanguage, t, type MessageTree } from '.';
import { bytes, compactNumber, duration, fixed, integer, percent, signed, thousands } from './format';
import { errorText } from './errors';

function leaves(tree: MessageTree, prefix = ''): Map<string, string> {
  const found = new Map<string, string>();
  for (const [key, value] of Object.entries(tree)) {
    if (typeof value === 'string') found.set(prefix + key, value);
    else for (const [inner, text] of leaves(value, `${prefix}${key}.`)) found.set(inner, text);
  }
  return found;
}

const english = leaves(i18n.global.messages.value.en as MessageTree);
const korean = leaves(i18n.global.messages.value.ko as MessageTree);
const holes = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]).sort();

describe('languages', () => {
  it('have the same keys and the same values to fill in', () => {
    expect([...korean.keys()].sort()).toEqual([...english.keys()].sort());
    for (const [key, text] of english) expect([key, [...new Set(holes(korean.get(key)!))]]).toEqual([key, [...new Set(holes(text))]]);
  });

  it('hold no empty sentence and none that cannot be compiled', () => {
    for (const [lang, messages] of [['en', english], ['ko', korean]] as const) {
      setLanguage(lang);
      for (const [key, text] of messages) {
        expect(text.trim(), key).not.toBe('');
        expect(t(key, Object.fromEntries(holes(text).map((hole) => [hole, '1']))), key).not.toBe(key);
      }
    }
    setLanguage('en');
  });
});

describe('numbers', () => {
  it('are written with a real minus and fixed decimals', () => {
    expect(integer(-17420)).toBe('−17,420');
    expect(fixed(-0.001, 2)).toBe('0.00');
    expect(fixed(-1.239, 2)).toBe('−1.24');
    expect(signed(0.5)).toBe('+0.50');
    expect(signed(-0.5)).toBe('−0.50');
    expect(compactNumber(0.00081)).toBe('8.1e−4');
    expect(compactNumber(0.01)).toBe('0.01');
    expect(compactNumber(2e-8)).toBe('2e−8');
    expect(thousands(148_234)).toBe('148.2k');
    expect(thousands(5_370_000)).toBe('5.37M');
    expect(thousands(281)).toBe('281');
    expect(percent(0.584)).toBe('58%');
    expect(fixed(Number.NaN)).toBe('NaN');
    expect(fixed(-Infinity)).toBe('−∞');
  });

  it('carry their units in the language', () => {
    expect(bytes(412_300_000, 'en')).toBe('412 MB');
    expect(bytes(412_300_000, 'ko')).toBe('412MB');
    expect(bytes(2_500_000, 'en')).toBe('2.5 MB');
    expect(bytes(31, 'en')).toBe('31 B');
    expect(duration(72)).toBe('1 min 12 s');
    expect(duration(6.8)).toBe('6.8 s');
    expect(duration(7200)).toBe('2 h');
    expect(duration(0.0423)).toBe('42 ms');
    setLanguage('ko');
    expect(duration(72)).toBe('1분 12초');
    setLanguage('en');
  });
});

describe('errors', () => {
  it('say what and where in the language', () => {
    const error = { code: 'COLUMN_NOT_NUMERIC', message: 'Row 12 of price is "n/a".', where: 'data.csv, row 12, column price' } as const;
    expect(errorText(error)).toMatchObject({ title: 'The target column holds text', text: 'Row 12 of price is "n/a".' });
    setLanguage('ko');
    expect(errorText(error)).toMatchObject({ title: '예측 대상 열에 글자가 있습니다', where: 'data.csv, 12행, ‘price’ 열' });
    setLanguage('en');
  });
});
