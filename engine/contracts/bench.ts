import { z } from 'zod';
import { layerConfig, trainingConfig } from './run-config';

const { hiddenSize } = layerConfig.shape;
const { threads } = trainingConfig.shape;
const size = (most: number) => z.int().min(1).max(most);

/** One shape that `bench` measures: a language model (vocabulary and embedding), or a series with a head on its last step (input and output). */
export const benchCase = z.strictObject({
  name: z.string().max(200),
  mode: z.enum(['train', 'infer', 'infer-step']),
  cell: z.string(),
  layers: size(64),
  hiddenSize: hiddenSize.unwrap(),
  batchSize: size(65_536),
  sequenceLength: size(100_000),
  /** Physical cores when left out. */
  threads: threads.unwrap().unwrap().optional(),
  /** How long to measure, or how many steps; 2 seconds when both are left out. */
  seconds: z.number().min(0).max(3600).optional(),
  steps: size(1_000_000).optional(),
  vocabularySize: size(1_000_000).optional(),
  embeddingSize: size(8192).optional(),
  inputSize: size(65_536).optional(),
  outputSize: size(1_000_000).optional(),
});
export type BenchCase = z.infer<typeof benchCase>;
