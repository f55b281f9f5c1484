import { SluiceError } from '../contracts';
import type { NumberArray } from './npz';
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

/** IEEE 754 half precision, ties to even. */
export function toHalf(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (Number.isNaN(value)) return 0x7e00;
  if (size >= 65520) return sign | 0x7c00;
  if (size < 2 ** -14) return sign | evenRound(size * 2 ** 24);
  const exponent = Math.floor(Math.log2(size));
  // A mantissa that rounds up to 2 carries into the exponent by plain addition.
  return sign | (((exponent + 15) << 10) + evenRound((size / 2 ** exponent - 1) * 1024));
}

export function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 1023;
  if (exponent === 31) return mantissa ? NaN : sign * Infinity;
  return exponent === 0 ? sign * mantissa * 2 ** -24 : sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}

function evenRound(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
