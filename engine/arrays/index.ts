export { fromHalf, toHalf } from './half';
export { readNpz, type NumberArray } from './read-npz';
export { encodeNpz } from './write-npz';
