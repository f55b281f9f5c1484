/** Edits of a draft configuration as pure functions: each returns a new draft and leaves the old one alone. */
import { averageConfig, lossConfig, optimizerConfig, scheduleConfig, type AverageConfig, type LayerConfig, type LossConfig, type OptimizerConfig, type RunConfig, type ScheduleConfig } from '../../../engine/contracts';

export const mostLayers = 16;

type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** Puts `value` at a path such as `model.layers.0.hiddenSize`; the path has to exist but for its last key. */
export function setAt<T>(draft: T, path: string, value: unknown): T {
  const copy = structuredClone(draft);
  const keys = path.split('.');
  const last = keys.pop()!;
  let place = copy as unknown as Record<string, Json>;
  for (const key of keys) {
    const next = place[key];
    if (next === null || typeof next !== 'object') throw new RangeError(`${path} leads nowhere at ${key}`);
    place = next as Record<string, Json>;
  }
  place[last] = value as Json;
  return copy;
}

/** A new layer stands at `index` and is like the one before it (or after it, for the first place). */
export function addLayer(draft: RunConfig, index: number): RunConfig {
  const layers = draft.model.layers;
  if (layers.length >= mostLayers) return draft;
  const place = Math.max(0, Math.min(index, layers.length));
  const model: LayerConfig = layers[Math.max(0, place - 1)]!;
  return withLayers(draft, [...layers.slice(0, place), { ...model }, ...layers.slice(place)]);
}

/** Another cell at `index`; options belong to a cell, so those of the old one go. */
export function withCell(draft: RunConfig, index: number, cell: string): RunConfig {
  return withLayers(draft, draft.model.layers.map((layer, place) => (place === index ? { ...layer, cell, options: {} } : layer)));
}

/** A model keeps at least one layer. */
export function removeLayer(draft: RunConfig, index: number): RunConfig {
  const layers = draft.model.layers;
  if (layers.length < 2 || !(index in layers)) return draft;
  return withLayers(draft, layers.filter((_, other) => other !== index));
}

/** Takes the layer at `from` out and puts it at `to`, counted without it. */
export function moveLayer(draft: RunConfig, from: number, to: number): RunConfig {
  const layers = [...draft.model.layers];
  const [moved] = layers.splice(from, 1);
  if (!moved) return draft;
  const place = Math.max(0, Math.min(to, layers.length));
  if (place === from) return draft;
  layers.splice(place, 0, moved);
  return withLayers(draft, layers);
}

function withLayers(draft: RunConfig, layers: LayerConfig[]): RunConfig {
  return { ...structuredClone(draft), model: { ...structuredClone(draft.model), layers } };
}

/** The optimizer of another kind with its usual settings. */
export function optimizerOf(kind: OptimizerConfig['kind']): OptimizerConfig {
  return optimizerConfig.parse({ kind });
}

export function scheduleOf(kind: ScheduleConfig['kind']): ScheduleConfig {
  return scheduleConfig.parse({ kind });
}

export function lossOf(kind: LossConfig['kind']): LossConfig {
  return lossConfig.parse({ kind });
}

export function averageOf(kind: AverageConfig['kind']): AverageConfig {
  return averageConfig.parse({ kind });
}

/** Number of layers and size, `2 × 128`, of what the engine writes as `lstm 128 · lstm 128`; the sizes where they differ. */
export function sizesLabel(architecture: string): string {
  const sizes = architecture.split(' · ').map((layer) => /\d+/.exec(layer)?.[0] ?? layer);
  return sizes.every((size) => size === sizes[0]) ? `${sizes.length} × ${sizes[0]}` : sizes.join(' · ');
}

/** Fields whose name among the words is not their last key. */
const fieldNames: Record<string, string> = {
  'schedule.patience': 'plateauPatience',
  bidirectional: 'direction',
  'attention.kind': 'attention',
  'initialization.weights': 'initialWeights',
  'loss.kind': 'loss',
  'clip.norm': 'clip',
  'clip.value': 'clipValue',
  'training.average': 'average',
  'average.decay': 'averageDecay',
  interval: 'averageInterval',
  'training.decay': 'decayReaches',
  'evaluation.everySteps': 'evaluateEvery',
  'checkpoint.everySteps': 'checkpointSteps',
  'checkpoint.everySeconds': 'checkpointSeconds',
  'checkpoint.keep': 'checkpointKeep',
  'probe.text': 'probeText',
  'probe.split': 'probeSplit',
  'probe.window': 'probeWindow',
  'probe.everyMs': 'probeEvery',
};

/** Message key of a field's name: `model.fields.hiddenSize` for `model.layers.0.hiddenSize`. */
export function fieldKey(path: string): string {
  const option = /\.options\.(\w+)$/.exec(path);
  if (option) return `model.cellOptions.${option[1]}.name`;
  const keys = path.split('.');
  const last = keys.at(-1)!;
  return `model.fields.${fieldNames[keys.slice(-2).join('.')] ?? fieldNames[last] ?? last}`;
}
