import protobuf from 'protobufjs';

/**
 * The few messages of the ONNX format that Sluice writes and reads. Field numbers are those of
 * onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto); fields that are not named here
 * are skipped when a file is read.
 */
const descriptor = {
  nested: {
    ModelProto: {
      fields: {
        irVersion: { type: 'int64', id: 1 },
        producerName: { type: 'string', id: 2 },
        producerVersion: { type: 'string', id: 3 },
        graph: { type: 'GraphProto', id: 7 },
        opsetImport: { rule: 'repeated', type: 'OperatorSetIdProto', id: 8 },
        metadataProps: { rule: 'repeated', type: 'StringStringEntryProto', id: 14 },
      },
    },
    OperatorSetIdProto: { fields: { domain: { type: 'string', id: 1 }, version: { type: 'int64', id: 2 } } },
    StringStringEntryProto: { fields: { key: { type: 'string', id: 1 }, value: { type: 'string', id: 2 } } },
    GraphProto: {
      fields: {
        node: { rule: 'repeated', type: 'NodeProto', id: 1 },
        name: { type: 'string', id: 2 },
        initializer: { rule: 'repeated', type: 'TensorProto', id: 5 },
        input: { rule: 'repeated', type: 'ValueInfoProto', id: 11 },
        output: { rule: 'repeated', type: 'ValueInfoProto', id: 12 },
      },
    },
    NodeProto: {
      fields: {
        input: { rule: 'repeated', type: 'string', id: 1 },
        output: { rule: 'repeated', type: 'string', id: 2 },
        name: { type: 'string', id: 3 },
        opType: { type: 'string', id: 4 },
        attribute: { rule: 'repeated', type: 'AttributeProto', id: 5 },
        domain: { type: 'string', id: 7 },
      },
    },
    AttributeProto: {
      fields: {
        name: { type: 'string', id: 1 },
        i: { type: 'int64', id: 3 },
        s: { type: 'bytes', id: 4 },
        g: { type: 'GraphProto', id: 6 },
        floats: { rule: 'repeated', type: 'float', id: 7, options: { packed: false } },
        ints: { rule: 'repeated', type: 'int64', id: 8, options: { packed: false } },
        strings: { rule: 'repeated', type: 'bytes', id: 9 },
        type: { type: 'int32', id: 20 },
      },
    },
    TensorProto: {
      fields: {
        dims: { rule: 'repeated', type: 'int64', id: 1, options: { packed: false } },
        dataType: { type: 'int32', id: 2 },
        name: { type: 'string', id: 8 },
        rawData: { type: 'bytes', id: 9 },
      },
    },
    ValueInfoProto: { fields: { name: { type: 'string', id: 1 }, type: { type: 'TypeProto', id: 2 } } },
    TypeProto: { fields: { tensorType: { type: 'TensorTypeProto', id: 1 } } },
    TensorTypeProto: { fields: { elemType: { type: 'int32', id: 1 }, shape: { type: 'TensorShapeProto', id: 2 } } },
    TensorShapeProto: { fields: { dim: { rule: 'repeated', type: 'DimensionProto', id: 1 } } },
    DimensionProto: {
      oneofs: { value: { oneof: ['dimValue', 'dimParam'] } },
      fields: { dimValue: { type: 'int64', id: 1 }, dimParam: { type: 'string', id: 2 } },
    },
  },
};

const modelProto = protobuf.Root.fromJSON(descriptor).lookupType('ModelProto');

/** Numbers of TensorProto.DataType. */
export const dataTypes = { float32: 1, int64: 7, bool: 9, float64: 11 } as const;
export type DataType = keyof typeof dataTypes;

/** Numbers of AttributeProto.AttributeType. */
export const attributeTypes = { int: 2, string: 3, graph: 5, floats: 6, ints: 7, strings: 8 } as const;

/** Names of TensorProto.DataType by number, as ONNX Runtime writes them. */
const typeNames: Record<number, string> = {
  1: 'float32',
  2: 'uint8',
  3: 'int8',
  4: 'uint16',
  5: 'int16',
  6: 'int32',
  7: 'int64',
  8: 'string',
  9: 'bool',
  10: 'float16',
  11: 'float64',
  12: 'uint32',
  13: 'uint64',
  16: 'bfloat16',
};

export interface AttributeProto {
  name: string;
  type: number;
  i?: number;
  s?: Uint8Array;
  g?: GraphProto;
  floats?: number[];
  ints?: number[];
  strings?: Uint8Array[];
}

export interface NodeProto {
  input: string[];
  output: string[];
  name: string;
  opType: string;
  attribute: AttributeProto[];
}

export interface TensorProto {
  name: string;
  dims: number[];
  dataType: number;
  rawData: Uint8Array;
}

export interface ValueInfoProto {
  name: string;
  type: { tensorType: { elemType: number; shape: { dim: ({ dimValue: number } | { dimParam: string })[] } } };
}

export interface GraphProto {
  name: string;
  node: NodeProto[];
  initializer: TensorProto[];
  input: ValueInfoProto[];
  output: ValueInfoProto[];
}

export interface ModelProto {
  irVersion: number;
  producerName: string;
  producerVersion: string;
  graph: GraphProto;
  opsetImport: { domain: string; version: number }[];
  metadataProps: { key: string; value: string }[];
}

export function encodeModel(model: ModelProto): Uint8Array {
  return modelProto.encode(modelProto.fromObject(model)).finish();
}

/** Decodes a model's message; fields that are absent read as empty. Throws where the bytes are none. */
export function decodeModel(bytes: Uint8Array): ModelProto {
  return modelProto.toObject(modelProto.decode(bytes), { longs: Number, defaults: true, arrays: true }) as ModelProto;
}

export interface ValueInfo {
  name: string;
  type: string;
  /** Letters for free sizes, `?` where the file names none. */
  shape: (string | number)[];
}

/** A graph's input or output in plain words. */
export function describeValue(value: ValueInfoProto): ValueInfo {
  const tensor = (value.type as Partial<ValueInfoProto['type']> | null)?.tensorType;
  if (!tensor) return { name: value.name, type: 'other', shape: [] };
  const dimensions = (tensor.shape as typeof tensor.shape | null)?.dim ?? [];
  return {
    name: value.name,
    type: typeNames[tensor.elemType] ?? `type ${tensor.elemType}`,
    shape: dimensions.map((dimension) => {
      if ('dimParam' in dimension && dimension.dimParam !== '') return dimension.dimParam;
      return 'dimValue' in dimension && dimension.dimValue > 0 ? dimension.dimValue : '?';
    }),
  };
}
