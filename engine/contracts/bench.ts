import { z } from 'zod';
import { layerConfig, trainingConfig } from './run-config';

const { hiddenSize } = layerConfig.shape;
const { threads, products } = trainingConfig.shape;
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
  /** Physical cores when left out or null, as every field below may be. */
  threads: threads.unwrap().unwrap().nullish(),
  /** How long to measure, or how many steps; 2 seconds without either. */
  seconds: z.number().min(0).max(3600).nullish(),
  steps: size(1_000_000).nullish(),
  vocabularySize: size(1_000_000).nullish(),
  embeddingSize: size(8192).nullish(),
  inputSize: size(65_536).nullish(),
  outputSize: size(1_000_000).nullish(),
  /** What a training step's products round their operands to, and what the weights are stored as in the other modes. */
  products: products.unwrap().nullish(),
  weights: products.unwrap().nullish(),
});
export type BenchCase = z.infer<typeof benchCase>;
