import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { EngineBinding, ModelSpec } from '../binding/types';
import { float32Tensor, readSafetensors, SluiceError, type CellInfo, type RunConfig } from '../contracts';
import { onnxGateOrder, type RecurrentOperator } from './gate-order';

export interface NamedTensor {
  shape: number[];
  data: Float32Array;
}

/** A model as the exporter takes it: its shape, its cells and every weight by PyTorch name. */
export interface ExportModel {
  spec: ModelSpec;
  /** One per layer. */
  cells: { gateOrder: readonly string[]; operator: RecurrentOperator }[];
  tensors: Record<string, NamedTensor>;
}

/** Reads `model.safetensors` of a checkpoint; sizes come from the weights themselves. */
export async function readCheckpoint(directory: string, config: Pick<RunConfig, 'model' | 'task'>, engine: Pick<EngineBinding, 'cells'>): Promise<ExportModel> {
  const path = join(directory, 'model.safetensors');
  let tensors: Record<string, NamedTensor>;
  try {
    const file = readSafetensors(await readFile(path));
    tensors = Object.fromEntries(file.entries.map(({ name }) => [name, float32Tensor(file, name)!]));
  } catch (cause) {
    throw new SluiceError({ code: 'CHECKPOINT_DAMAGED', message: `The checkpoint's weights cannot be read: ${(cause as Error).message}.`, where: path }, { cause });
  }
  return exportModel(specOf(config, tensors, path), tensors, engine.cells());
}

/** Joins a model's shape, weights and cells; refuses a cell that no ONNX operator holds. */
export function exportModel(spec: ModelSpec, tensors: Record<string, NamedTensor>, cells: CellInfo[]): ExportModel {
  return {
    spec,
    tensors,
    cells: spec.layers.map(({ cell }, layer) => {
      const info = cells.find(({ name }) => name === cell);
      const operator = info?.onnxOperator ?? null;
      if (!info || operator === null || !(operator in onnxGateOrder)) {
        throw new SluiceError({ code: 'MODEL_INVALID', message: `The cell ${cell} has no ONNX operator.`, where: `model.layers.${layer}.cell` });
      }
      return { operator, gateOrder: info.gateOrder };
    }),
  };
}

function specOf(config: Pick<RunConfig, 'model' | 'task'>, tensors: Record<string, NamedTensor>, path: string): ModelSpec {
  const shape = (name: string): [number, number] => {
    const found = tensors[name]?.shape;
    if (found?.length !== 2) {
      throw new SluiceError({ code: 'CHECKPOINT_DAMAGED', message: `The checkpoint has no matrix ${name}.`, where: path });
    }
    return found as [number, number];
  };
  const [outputSize] = shape('head.weight');
  const layers = config.model.layers.map(({ cell, hiddenSize, bidirectional, dropout }) => ({ cell, hiddenSize, bidirectional, dropout }));
  if (config.task.kind === 'language-model') {
    const [vocabularySize, embeddingSize] = shape('embedding.weight');
    return { input: { kind: 'tokens', vocabularySize, embeddingSize }, layers, head: { outputSize, mode: 'everyStep' } };
  }
  const [, inputSize] = shape('recurrent.weight_ih_l0');
  return { input: { kind: 'series', inputSize }, layers, head: { outputSize, mode: 'lastStep' } };
}
