import { fromHalf, toHalf, type NumberArray } from '../arrays';
import { SluiceError } from '../contracts';
import type { RuntimeTensor, TensorData, TensorDescription } from './runtime';

/**
 * Numbers as a tensor of the type an input asks for.
 * @throws SluiceError INPUT_INVALID where shape or type do not fit, naming the input.
 */
export function toTensor(array: NumberArray, input: TensorDescription): RuntimeTensor {
  const { shape, data } = array;
  const size = shape.reduce((product, length) => product * length, 1);
  if (size !== data.length) throw invalidInput(input.name, `${data.length} values do not fill the shape [${shape.join(', ')}].`);
  const fits = shape.length === input.shape.length && input.shape.every((expected, axis) => typeof expected !== 'number' || expected === shape[axis]);
  if (!fits) throw invalidInput(input.name, `The input ${input.name} takes [${input.shape.join(', ')}], the data are [${shape.join(', ')}].`);
  return { type: input.type, shape, data: typed(data, input) };
}

/** A tensor's values as plain numbers; bool reads as 0 and 1. */
export function toNumbers({ type, data }: RuntimeTensor): ArrayLike<number> {
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) return Float64Array.from(data as ArrayLike<unknown> as ArrayLike<bigint>, Number);
  if (type === 'float16' && data instanceof Uint16Array) return Float32Array.from(data, fromHalf);
  return data;
}

function typed(data: ArrayLike<number>, { name, type }: TensorDescription): TensorData {
  switch (type) {
    case 'float32':
      return Float32Array.from(data);
    case 'float64':
      return Float64Array.from(data);
    case 'float16':
      return Uint16Array.from(data, toHalf);
    case 'int64':
      return BigInt64Array.from(Array.from(data, (value) => BigInt(whole(value, name))));
    case 'uint64':
      return BigUint64Array.from(Array.from(data, (value) => BigInt(whole(value, name))));
    case 'int32':
      return Int32Array.from(data, (value) => whole(value, name));
    case 'uint32':
      return Uint32Array.from(data, (value) => whole(value, name));
    case 'int16':
      return Int16Array.from(data, (value) => whole(value, name));
    case 'uint16':
      return Uint16Array.from(data, (value) => whole(value, name));
    case 'int8':
      return Int8Array.from(data, (value) => whole(value, name));
    case 'uint8':
      return Uint8Array.from(data, (value) => whole(value, name));
    case 'bool':
      return Uint8Array.from(data, (value) => (value === 0 ? 0 : 1));
    default:
      throw invalidInput(name, `The input ${name} takes ${type}, which cannot be given as numbers.`);
  }
}

function whole(value: number, name: string): number {
  if (Number.isInteger(value)) return value;
  throw invalidInput(name, `The input ${name} takes whole numbers; ${value} is none.`);
}

export function invalidInput(where: string, message: string): SluiceError {
  return new SluiceError({ code: 'INPUT_INVALID', message, where });
}
