import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModelSpec } from '../binding/types';
import { float32Tensor, layerForm, readSafetensors, SluiceError, type CellInfo } from '../contracts';
import type { LayerCell } from './gate-order';

export interface NamedTensor {
  shape: number[];
  data: Float32Array;
}

/** A model as the exporter takes it: its shape, its cells and every weight by PyTorch name. */
export interface ExportModel {
  spec: ModelSpec;
  /** One per layer. */
  cells: LayerCell[];
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

/** Joins a model's shape, weights and cells; refuses what the exporter has no graph for. */
export function exportModel(spec: ModelSpec, tensors: Record<string, NamedTensor>, cells: CellInfo[]): ExportModel {
  return {
    spec,
    tensors,
    cells: spec.layers.map((layer, index) => {
      const form = layerForm(cells, layer, index);
      if (!form || form.step.length === 0) {
        throw new SluiceError({ code: 'MODEL_INVALID', message: `The cell ${layer.cell} does not say how ONNX computes it.`, where: `model.layers.${index}.cell` });
      }
      return form;
    }),
  };
}

/** `[rows, columns]` to `[columns, rows]`. */
export function transposed(matrix: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(matrix.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) result[column * rows + row] = matrix[row * columns + column]!;
  }
  return result;
}
