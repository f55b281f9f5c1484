import { totalmem } from 'node:os';
import { constrainedMemory } from 'node:process';
import type { RunConfig } from '../contracts';
import { problem, type FieldProblem } from './field-problems';

/** The engine's figure leaves out packed weights and buffers: in measurements a training took up to 1.35 times as much. */
const margin = 1.4;

/**
 * Numbers per parameter that writing a checkpoint takes on top: copies of the weights and of two moments, and
 * the bytes of the largest file, which holds the moments.
 */
const checkpointNumbers = 3 + 2;

/** What steps alone take. */
export function steppingBytes({ trainingBytes }: { trainingBytes: number }): number {
  return trainingBytes * margin;
}

/** What a training takes at its largest, which is while it writes a checkpoint. */
export function trainingPeakBytes({ parameters, trainingBytes }: { parameters: number; trainingBytes: number }): number {
  return steppingBytes({ trainingBytes }) + checkpointNumbers * Float32Array.BYTES_PER_ELEMENT * parameters;
}

/** Copies of the weights that a training keeps beside weights, gradients and moments: the last ones, summed gradients, an average. */
export function besideBytes({ accumulate, average, products }: Pick<RunConfig['training'], 'accumulate' | 'average' | 'products'>, parameters: number): number {
  // With an average a checkpoint holds the weights twice; rounded weights are held as they are and transposed, 2 bytes each.
  const copies = 1 + (accumulate > 1 ? 1 : 0) + (average.kind === 'none' ? 0 : 2) + (products === 'bfloat16' ? 1 : 0);
  return copies * parameters * Float32Array.BYTES_PER_ELEMENT;
}

/** What this machine, or the container around this process, has. */
export function machineBytes(): number {
  // Without a limit the system answers with a number beyond any memory.
  return Math.min(totalmem(), constrainedMemory() || Infinity);
}

/** Says that a training would not fit, null where it does. A process that tries is ended by the system, with all other trainings in it. */
export function memoryProblem(path: string, needed: number, available: number): FieldProblem | null {
  if (needed <= available) return null;
  const details = { needed: gibibytes(needed), available: gibibytes(available) };
  return problem(path, 'MEMORY', `${path} makes the model too large: training takes about ${details.needed} GiB, this machine has ${details.available} GiB; use fewer or smaller layers, or a smaller batch`, details);
}

function gibibytes(bytes: number): string {
  return (bytes / 2 ** 30).toLocaleString('en', { maximumSignificantDigits: 3 });
}
