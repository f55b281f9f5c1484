import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModelSpec } from '../binding/types';
import { float32Tensor, readSafetensors, SluiceError, type CellInfo } from '../contracts';
import type { ExportCell } from './gate-order';

export interface NamedTensor {
  shape: number[];
  data: Float32Array;
}

/** A model as the exporter takes it: its shape, its cells and every weight by PyTorch name. */
export interface ExportModel {
  spec: ModelSpec;
  /** One per layer. */
  cells: ExportCell[];
  tensors: Record<string, NamedTensor>;
}

/** Reads `model.safetensors` of a checkpoint. */
export async function readWeights(directory: string): Promise<Record<string, NamedTensor>> {
  const path = join(directory, 'model.safetensors');
  try {
    const file = readSafetensors(await readFile(path));
    return Object.fromEntries(file.entries.map(({ name }) => [name, float32Tensor(file, name)!]));
  } catch (cause) {
    throw new SluiceError({ code: 'CHECKPOINT_DAMAGED', message: `The checkpoint's weights cannot be read: ${(cause as Error).message}.`, where: path }, { cause });
  }
}

/** Joins a model's shape, weights and cells; refuses what no ONNX operator computes. */
export function exportModel(spec: ModelSpec, tensors: Record<string, NamedTensor>, cells: CellInfo[]): ExportModel {
  return {
    spec,
    tensors,
    cells: spec.layers.map(({ cell, zoneoutHidden, zoneoutCell }, layer) => {
      const zoned = zoneoutHidden ? 'zoneoutHidden' : zoneoutCell ? 'zoneoutCell' : null;
      if (zoned) {
        throw new SluiceError({
          code: 'MODEL_INVALID',
          message: 'A layer with zoneout cannot be exported: in use its states are a mixture of old and new, which no ONNX operator computes. Train without zoneout to export.',
          where: `model.layers.${layer}.${zoned}`,
        });
      }
      const info = cells.find(({ name }) => name === cell);
      if (!info?.onnx) {
        throw new SluiceError({ code: 'MODEL_INVALID', message: `The cell ${cell} has no ONNX operator.`, where: `model.layers.${layer}.cell` });
      }
      return { ...info, onnx: info.onnx };
    }),
  };
}
