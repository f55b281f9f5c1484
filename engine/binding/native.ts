import { createRequire } from 'node:module';

/**
 * The generated loader as it is used here. Its own declarations are made by the native build; these are
 * checked in, so that types hold before the first build. `crates/node` is the other side.
 */
export interface Native {
  version(): string;
  kernel(): string;
  kernelProblem(): string | null;
  bfloat16Problem(): string | null;
  physicalCores(): number;
  cells(): string;
  describeModel(specJson: string, time: number, batch: number): string;
  newestCheckpoint(runDirectory: string): string;
  evaluate(jobJson: string, checkpointDirectory: string, split: string): Promise<string>;
  residuals(jobJson: string, checkpointDirectory: string, level: number): Promise<{ lower: Float32Array; upper: Float32Array }>;
  runParity(fixtureJson: string): string;
  runBench(caseJson: string): Promise<string>;
  loadModel(directory: string, specJson: string): Promise<NativeEngineModel>;
  randomModel(specJson: string, seed: number): Promise<NativeEngineModel>;
  train(jobJson: string, onEvent: (event: string) => void, onFrame: () => void): NativeTraining;
  rateTest(jobJson: string, onEvent: (event: string) => void): { cancel(): void };
}

export interface NativeEngineModel {
  parameters(): number;
  storeWeights(): void;
  tensors(): { name: string; shape: number[]; data: Float32Array }[];
  forward(
    time: number,
    batch: number,
    tokens: Uint32Array | null,
    series: Float32Array | null,
    states: Record<string, Float32Array>,
  ): Promise<{ output: Float32Array; states: Record<string, Float32Array> }>;
  sample(prompt: Uint32Array, length: number, temperature: number, topK: number, topP: number, seed: number): Promise<Uint32Array>;
  trace(
    time: number,
    batch: number,
    tokens: Uint32Array | null,
    series: Float32Array | null,
    target: Float32Array | null,
    gradients: boolean,
  ): Promise<Uint8Array>;
  traceSequence(dataJson: string, number: number, gradients: boolean): Promise<Uint8Array>;
}

export interface NativeTraining {
  pause(): void;
  resume(): void;
  stop(): void;
  interrupt(): void;
  setProbe(probeJson: string): void;
  change(settingsJson: string): void;
  setLive(live: boolean): void;
  takeFrame(): Uint8Array | null;
}

/** Loads the addon; it is CommonJS and chooses the file of this platform. */
export function loadNative(): Native {
  return createRequire(import.meta.url)('@sluice/native') as Native;
}
