import { describe, expect, it } from 'vitest';
import { matchScore } from './match';

describe('palette search', () => {
  it('prefers whole words and word beginnings', () => {
    expect(matchScore('train', 'Train Model')).toBeGreaterThan(matchScore('train', 'Stop the training'));
    expect(matchScore('eo', 'Export ONNX Train')).toBeGreaterThan(matchScore('eo', 'Theme: dark Settings o'));
  });

  it('finds Korean by first consonants', () => {
    expect(matchScore('ㅎㅅ', '학습 시작')).toBeGreaterThan(0);
    expect(matchScore('ㅎㅅ', '데이터')).toBe(0);
  });

  it('takes words in any order, all of them', () => {
    expect(matchScore('dataset etth1', 'ETTh1 Dataset')).toBeGreaterThan(0);
    expect(matchScore('dataset nile', 'ETTh1 Dataset')).toBe(0);
  });

  it('refuses what does not come in order', () => {
    expect(matchScore('nart', 'Train')).toBe(0);
  });
});
