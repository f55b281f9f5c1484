import { open, stat } from 'node:fs/promises';
import type { EngineBinding, TrainingData } from '../binding/types';
import type { RunConfig, RunDetails, WeightsReport, WeightsSource } from '../contracts';
import type { DatasetService } from '../ports';
import { openWeights, requireTensors, startFile, type ForeignWeights } from '../weights';
import { isMissing } from '../workspace';
import { architecture, dataSizes, modelSpec } from './model-spec';
import { runFile } from './run-files';

type Engine = Pick<EngineBinding, 'cells' | 'describe'>;

async function vocabularyOf(data: TrainingData, dataset: string, datasets: DatasetService): Promise<readonly string[] | null> {
  return data.kind === 'tokens' ? (await datasets.tokenizer(dataset)).vocabulary : null;
}

/** The configuration with the model that the file holds, null where it is the same or cannot be told. */
function proposedConfig(weights: ForeignWeights, config: RunConfig, data: TrainingData): RunConfig | null {
  const { input } = modelSpec(config, dataSizes(data));
  const found = weights.propose(input.kind === 'series' ? input.inputSize : null, config);
  if (!found) return null;
  const same = found.layers.length === config.model.layers.length && found.layers.every((layer, k) => {
    const own = config.model.layers[k]!;
    const width = ({ projectionSize, hiddenSize }: typeof own): number => projectionSize ?? Math.ceil(hiddenSize / 2);
    return own.cell === layer.cell && own.hiddenSize === layer.hiddenSize && own.bidirectional === layer.bidirectional && own.layerNorm === layer.layerNorm && (layer.projectionSize === null || width(own) === layer.projectionSize);
  });
  if (same && (found.embeddingSize === null || found.embeddingSize === config.model.embeddingSize)) return null;
  return { ...config, model: { ...config.model, layers: found.layers, ...(found.embeddingSize !== null && { embeddingSize: found.embeddingSize }) } };
}

/** How a file of weights fits a configuration's model, and which model it would fit. */
export async function weightsReport(source: WeightsSource, config: RunConfig, data: TrainingData, datasets: DatasetService, engine: Engine): Promise<WeightsReport> {
  const weights = await openWeights(source, engine);
  const { report } = weights.fit(modelSpec(config, dataSizes(data)), await vocabularyOf(data, config.dataset, datasets));
  return { ...report, proposed: proposedConfig(weights, config, data) };
}

/**
 * The file that a run starts from, as bytes under the engine's own names.
 * @throws SluiceError WEIGHTS_MISMATCH where anything is missing, surplus or of another shape.
 */
export async function startingWeights(source: WeightsSource, config: RunConfig, data: TrainingData, datasets: DatasetService, engine: Engine): Promise<{ bytes: Uint8Array; notes: WeightsReport['notes'] }> {
  const weights = await openWeights(source, engine);
  const fitted = weights.fit(modelSpec(config, dataSizes(data)), await vocabularyOf(data, config.dataset, datasets));
  const proposed = proposedConfig(weights, config, data);
  const tensors = requireTensors(fitted, proposed === null ? null : architecture(proposed));
  return { bytes: startFile(tensors, { path: source.path, kind: weights.kind }), notes: fitted.report.notes };
}

/** Where a run's own copy of the weights lies, null for one that drew them. */
export async function initialWeightsOf(directory: string): Promise<string | null> {
  const path = runFile.initialWeights(directory);
  return stat(path).then(
    () => path,
    (error: unknown) => {
      if (isMissing(error)) return null;
      throw error;
    },
  );
}

/** What a run started from, by the header of its copy; a damaged one is said when it is trained, not here. */
export async function startedFrom(directory: string): Promise<RunDetails['startedFrom']> {
  const path = await initialWeightsOf(directory);
  if (path === null) return null;
  const file = await open(path, 'r');
  try {
    const length = new Uint8Array(8);
    await file.read(length, 0, 8, 0);
    const size = Number(new DataView(length.buffer).getBigUint64(0, true));
    if (size > 1 << 20) return { file: '', kind: '' };
    const bytes = new Uint8Array(8 + size);
    await file.read(bytes, 0, bytes.length, 0);
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8))) as { __metadata__?: Record<string, string> };
    return { file: header.__metadata__?.['sluice.source'] ?? '', kind: header.__metadata__?.['sluice.kind'] ?? '' };
  } catch {
    return { file: '', kind: '' };
  } finally {
    await file.close();
  }
}
