import { extname } from 'node:path';
import { encodeNpz } from '../arrays';
import type { EngineBinding, ModelSpec } from '../binding/types';
import { SluiceError, type RunConfig, type WeightsExported, type WeightsKind } from '../contracts';
import { readWeights } from '../onnx';
import { encodeSafetensors, targetModel, vocabularyKey, writtenWeights } from '../weights';
import { outputPlace, writeAtomic } from '../workspace';

export interface WeightsToWrite {
  run: string;
  step: number;
  /** Folder of the checkpoint. */
  directory: string;
  config: RunConfig;
  model: ModelSpec;
  /** Token by token; null for a series. */
  vocabulary: readonly string[] | null;
  /** Input columns in their order with the scaler of each; null for a text. */
  series: { columns: readonly string[]; mean: readonly number[]; deviation: readonly number[] } | null;
  as: WeightsKind;
  out: string;
}

/**
 * Writes a checkpoint's weights to a file that its user named: safetensors, or a NumPy archive. The metadata of a safetensors file
 * say which modules take them, and what tokens or columns the model was trained on.
 * @throws SluiceError INPUT_INVALID where the framework has no such module, or for another extension.
 */
export async function writeWeights(request: WeightsToWrite, engine: Pick<EngineBinding, 'cells' | 'describe'>): Promise<WeightsExported> {
  const { run, step, directory, config, model, vocabulary, series, as, out } = request;
  const form = extname(out).toLowerCase();
  if (form !== '.safetensors' && form !== '.npz') throw new SluiceError({ code: 'INPUT_INVALID', message: `${out} has no extension that says its form: use .safetensors or .npz`, where: 'out' });
  const place = await outputPlace(out);
  const { tensors, modules } = writtenWeights(targetModel(model, engine), await readWeights(directory), as);
  const metadata = {
    format: 'pt',
    'sluice.format': 'sluice-weights/1',
    'sluice.as': as,
    'sluice.run': run,
    'sluice.step': String(step),
    'sluice.model': JSON.stringify(config.model),
    ...(modules.length > 0 && { 'sluice.modules': JSON.stringify(modules) }),
    ...(vocabulary && { [vocabularyKey]: JSON.stringify(vocabulary) }),
    ...(series && { 'sluice.scaler': JSON.stringify(series), 'sluice.task': JSON.stringify(config.task) }),
  };
  const bytes = form === '.npz' ? encodeNpz(tensors) : encodeSafetensors(tensors, metadata);
  await writeAtomic(place, bytes);
  return { path: out, as, checkpoint: step, sizeBytes: bytes.length, tensors: tensors.map(({ name, shape }) => ({ name, shape })), modules };
}
