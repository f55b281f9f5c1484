import { describe, expect, it } from 'vitest';
import type { RunConfig } from '../../../../engine/contracts';
import { differences, shortName } from './run-diff';

const config = (cell: string, seed: number, threads: number | null) =>
  ({ dataset: 'a', model: { embeddingSize: 8, layers: [{ cell, hiddenSize: 96 }] }, training: { seed, threads }, probe: { text: cell } }) as unknown as RunConfig;

describe('differences', () => {
  it('name the settings that differ, the model first, without threads and probe', () => {
    expect(differences([config('lstm', 1, 1), config('gru', 2, 2), config('lstm', 1, null)])).toEqual([
      { path: 'model.layers.0.cell', values: ['lstm', 'gru', 'lstm'] },
      { path: 'training.seed', values: ['1', '2', '1'] },
    ]);
  });

  it('show a layer that one run lacks', () => {
    const two = config('lstm', 1, 1);
    (two.model.layers as unknown[]).push({ cell: 'gru', hiddenSize: 4 });
    expect(differences([config('lstm', 1, 1), two]).map((one) => one.values)).toEqual([[null, 'gru'], [null, '4']]);
    expect(differences([two])).toEqual([]);
  });

  it('have a short name', () => {
    expect(shortName('model.layers.0.hiddenSize')).toBe('hiddenSize');
    expect(shortName('training.clip.norm')).toBe('clip');
    expect(shortName('training.optimizer.kind')).toBe('optimizer');
  });
});
