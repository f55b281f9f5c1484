import type { EngineBinding, ModelSpec } from '../binding/types';
import { benchCase, SluiceError, type BenchCase } from '../contracts';
import { issueProblems } from './field-problems';
import { machineBytes, memoryProblem, steppingBytes } from './memory';
import { nearestName } from './nearest-name';

function invalid(where: string | undefined, message: string): SluiceError {
  return new SluiceError({ code: 'USAGE', message, ...(where && { where }) });
}

function modelOf(given: BenchCase): ModelSpec {
  const layers = Array.from({ length: given.layers }, () => ({ cell: given.cell, hiddenSize: given.hiddenSize, bidirectional: false, dropout: 0 }));
  const { vocabularySize, embeddingSize, inputSize, outputSize } = given;
  if (vocabularySize != null && embeddingSize != null && inputSize == null && outputSize == null) {
    return { input: { kind: 'tokens', vocabularySize, embeddingSize }, layers, head: { outputSize: vocabularySize, mode: 'everyStep' } };
  }
  if (inputSize != null && outputSize != null && vocabularySize == null && embeddingSize == null) {
    return { input: { kind: 'series', inputSize }, layers, head: { outputSize, mode: 'lastStep' } };
  }
  throw invalid('vocabularySize', 'give vocabularySize and embeddingSize for a language model, or inputSize and outputSize for a series');
}

/** A shape that the engine can measure on this machine. Throws USAGE with the field: the engine itself would end the process. */
export function requireBenchCase(given: unknown, engine: Pick<EngineBinding, 'cells' | 'describe'>, available = machineBytes()): BenchCase {
  const parsed = benchCase.safeParse(given);
  if (!parsed.success) {
    const [first] = parsed.error.issues.flatMap((issue) => issueProblems(benchCase, issue, given, {}));
    throw invalid(first?.path, first?.path ? first.message : 'a shape is a JSON object with name, mode, cell, layers, hiddenSize, batchSize and sequenceLength');
  }
  const { cell, sequenceLength, batchSize, mode, products, weights } = parsed.data;
  if (products === 'bfloat16' && mode !== 'train') throw invalid('products', 'products is bfloat16; products round their operands only in training, leave it out');
  if (weights === 'bfloat16' && mode === 'train') throw invalid('weights', 'weights is bfloat16; weights are stored so only where nothing is trained, leave it out');
  const cells = engine.cells().map(({ name }) => name);
  if (!cells.includes(cell)) throw invalid('cell', `cell is ${cell}; there is no such cell, the nearest is ${nearestName(cell, cells)} (all: ${cells.join(', ')})`);
  const described = engine.describe(modelOf(parsed.data), { time: sequenceLength, batch: batchSize });
  const problem = memoryProblem('hiddenSize', steppingBytes(described), available);
  if (problem) throw invalid(problem.path, problem.message);
  return parsed.data;
}
