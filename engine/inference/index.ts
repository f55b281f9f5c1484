export { generateTokens, randomNumbers, zeroStates, type StatePairs } from './generate';
export { modelNotes, readFeeds, type ModelNotes } from './inputs';
export { measureLatency } from './latency';
export { cudaObstacle } from './providers';
export { OnnxRuntime, runtimeFolder, runtimeVersion, type Device, type OnnxSession, type RuntimeTensor } from './runtime';
export { toNumbers } from './tensors';
