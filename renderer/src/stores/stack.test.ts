import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { layerConfig, type LayerConfig, type RunConfig } from '../../../engine/contracts';
import { hasMessage } from '../locales';
import { addLayer, fieldKey, moveLayer, mostLayers, removeLayer, setAt, sizesLabel } from './stack';

const layer = (hiddenSize: number): LayerConfig => layerConfig.parse({ hiddenSize });
const draft = (...sizes: number[]): RunConfig => ({ dataset: 'd', model: { embeddingSize: 8, layers: sizes.map(layer), head: { kind: 'linear' } }, training: { seed: 1 } }) as unknown as RunConfig;
const sizes = (config: RunConfig) => config.model.layers.map((one) => one.hiddenSize);

describe('stack edits', () => {
  it('add a layer like its neighbour', () => {
    expect(sizes(addLayer(draft(1, 2), 1))).toEqual([1, 1, 2]);
    expect(sizes(addLayer(draft(1, 2), 0))).toEqual([1, 1, 2]);
    expect(sizes(addLayer(draft(1, 2), 2))).toEqual([1, 2, 2]);
  });

  it('keep between one and the most layers', () => {
    const one = draft(4);
    expect(removeLayer(one, 0)).toBe(one);
    const full = draft(...Array<number>(mostLayers).fill(4));
    expect(addLayer(full, 3)).toBe(full);
  });

  it('move a layer and back again without a trace', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 999 }), { minLength: 1, maxLength: 8 }), fc.nat(7), fc.nat(7), (list, from, to) => {
        const before = draft(...list);
        const source = Math.min(from, list.length - 1);
        const target = Math.min(to, list.length - 1);
        const after = moveLayer(before, source, target);
        expect(sizes(after)[target]).toBe(list[source]);
        expect(sizes(moveLayer(after, target, source))).toEqual(list);
        expect(sizes(before)).toEqual(list);
      }),
    );
  });

  it('set a field by its path and leave the old draft alone', () => {
    const before = draft(1, 2);
    const after = setAt(before, 'model.layers.1.hiddenSize', 64);
    expect(sizes(after)).toEqual([1, 64]);
    expect(sizes(before)).toEqual([1, 2]);
    expect(() => setAt(before, 'model.nowhere.size', 1)).toThrow(RangeError);
  });

  it('have a name for every field that can be set', () => {
    for (const path of ['model.layers.0.hiddenSize', 'model.layers.1.bidirectional', 'training.clip.norm', 'evaluation.everySteps', 'checkpoint.keep', 'probe.everyMs', 'training.optimizer.learningRate', 'training.schedule']) {
      expect([path, hasMessage(fieldKey(path))]).toEqual([path, true]);
    }
  });

  it('are written short', () => {
    expect(sizesLabel('lstm 128 · lstm 128')).toBe('2 × 128');
    expect(sizesLabel('rnn-tanh 64 · gru 32')).toBe('64 · 32');
  });
});
