import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeSafetensors } from './safetensors';

/** A checkpoint folder with these weights, as the engine would have written it after no step. */
export async function writeCheckpoint(directory: string, tensors: Record<string, { shape: number[]; data: Float32Array }>): Promise<void> {
  await mkdir(directory, { recursive: true });
  const [model, optimizer] = [writeSafetensors(tensors, { format: 'pt' }), writeSafetensors({}, { format: 'pt' })];
  const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
  await writeFile(join(directory, 'model.safetensors'), model);
  await writeFile(join(directory, 'optimizer.safetensors'), optimizer);
  const state = {
    format: 'sluice-checkpoint/1',
    files: { 'model.safetensors': sha256(model), 'optimizer.safetensors': sha256(optimizer) },
    step: 0,
    epoch: 0,
    dataPosition: { epoch: 0, batch: 0 },
    rng: { seed: 1, counter: 0 },
    best: null,
    staleValidations: 0,
    evaluatedStep: null,
    scaler: null,
    kernel: 'portable',
    threads: 1,
    elapsedMs: 0,
    stepMs: 0,
    tokensSeen: 0,
  };
  await writeFile(join(directory, 'state.json'), JSON.stringify(state));
}
