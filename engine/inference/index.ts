export { OnnxRuntime, runtimeVersion, type Device, type OnnxSession, type RuntimeTensor } from './runtime';
