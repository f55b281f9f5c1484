import { attributeTypes, dataTypes, type AttributeProto, type DataType, type GraphProto, type NodeProto, type TensorProto, type ValueInfoProto } from './proto';

/** Values of a node's attributes; the message's type follows from the value. */
export type AttributeValue = number | string | number[] | string[] | Float32Array | GraphProto;

export type Values = Float32Array | Float64Array | BigInt64Array;

/** Letters for free sizes. */
export type Shape = (string | number)[];

/**
 * Collects a graph node by node. Every value has a name; `node` returns the name of its first output,
 * so that a chain of operators reads like the expression it stands for.
 */
export class GraphBuilder {
  private readonly nodes: NodeProto[] = [];
  private readonly initializers = new Map<string, TensorProto>();
  private readonly inputs: ValueInfoProto[] = [];
  private readonly outputs: ValueInfoProto[] = [];

  constructor(
    private readonly name: string,
    /** Operator set that the nodes are written for. */
    readonly opset = 17,
  ) {}

  input(name: string, type: DataType, shape: Shape): string {
    this.inputs.push(valueInfo(name, type, shape));
    return name;
  }

  output(name: string, type: DataType, shape: Shape): void {
    this.outputs.push(valueInfo(name, type, shape));
  }

  /** A constant of the graph, row-major. */
  constant(name: string, shape: number[], values: Values): string {
    const size = shape.reduce((product, length) => product * length, 1);
    if (size !== values.length) throw new RangeError(`${name}: ${values.length} values do not fill [${shape.join(', ')}]`);
    if (this.initializers.has(name)) throw new RangeError(`two constants are called ${name}`);
    this.initializers.set(name, { name, dims: shape, dataType: dataTypes[typeOf(values)], rawData: littleEndian(values) });
    return name;
  }

  /** A constant list of integers (axes, shapes, starts); the same list is written once. */
  integers(...values: number[]): string {
    const name = `integers(${values.join(',')})`;
    if (!this.initializers.has(name)) this.constant(name, [values.length], BigInt64Array.from(values, BigInt));
    return name;
  }

  /** A constant without dimensions. */
  index(value: number): string {
    const name = `index(${value})`;
    if (!this.initializers.has(name)) this.constant(name, [], BigInt64Array.of(BigInt(value)));
    return name;
  }

  /** A constant float32 number; the same one is written once. */
  number(value: number): string {
    const name = `number(${value})`;
    if (!this.initializers.has(name)) this.constant(name, [], Float32Array.of(value));
    return name;
  }

  /**
   * Adds a node called `name`; its outputs are called `name`, unless `outputs` names them.
   * An empty input name is an absent optional input.
   */
  node(operator: string, name: string, inputs: string[], attributes: Record<string, AttributeValue> = {}, outputs: string[] = [name]): string {
    this.nodes.push({
      input: inputs,
      output: outputs,
      name,
      opType: operator,
      attribute: Object.entries(attributes).map(([key, value]) => attribute(key, value)),
    });
    return outputs[0] ?? name;
  }

  build(): GraphProto {
    return { name: this.name, node: this.nodes, initializer: [...this.initializers.values()], input: this.inputs, output: this.outputs };
  }
}

function attribute(name: string, value: AttributeValue): AttributeProto {
  if (typeof value === 'number') return { name, type: attributeTypes.int, i: value };
  if (typeof value === 'string') return { name, type: attributeTypes.string, s: new TextEncoder().encode(value) };
  if (value instanceof Float32Array) return { name, type: attributeTypes.floats, floats: [...value] };
  if (Array.isArray(value)) {
    return isTexts(value) ? { name, type: attributeTypes.strings, strings: value.map((text) => new TextEncoder().encode(text)) } : { name, type: attributeTypes.ints, ints: value };
  }
  return { name, type: attributeTypes.graph, g: value };
}

function isTexts(values: number[] | string[]): values is string[] {
  return typeof values[0] === 'string';
}

function valueInfo(name: string, type: DataType, shape: Shape): ValueInfoProto {
  const dim = shape.map((size) => (typeof size === 'number' ? { dimValue: size } : { dimParam: size }));
  return { name, type: { tensorType: { elemType: dataTypes[type], shape: { dim } } } };
}

function typeOf(values: Values): DataType {
  if (values instanceof Float32Array) return 'float32';
  return values instanceof Float64Array ? 'float64' : 'int64';
}

/** ONNX stores raw values little-endian; every platform Sluice runs on is. */
function littleEndian(values: Values): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
