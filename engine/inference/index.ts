export { generateTokens, randomNumbers, sampler, initialStates, type StatePairs } from './generate';
export { modelNotes, readFeeds, type ModelNotes } from './inputs';
export { measureLatency } from './latency';
export { OnnxRuntime, runtimeVersion, type Device, type OnnxSession, type RuntimeTensor } from './runtime';
export { toNumbers } from './tensors';
