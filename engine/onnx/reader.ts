import { readFile, stat } from 'node:fs/promises';
import { SluiceError, type OpenedModel } from '../contracts';
import { readError } from '../workspace';
import { decodeModel, describeValue, type ModelProto } from './proto';

/** A protobuf message cannot be larger. */
const maximumBytes = 2 ** 31 - 1;

/**
 * Reads what an ONNX file holds without running it.
 * @throws SluiceError FILE_NOT_FOUND, FILE_UNREADABLE, ONNX_INVALID with the path.
 */
export async function readModel(path: string): Promise<Omit<OpenedModel, 'refusal'>> {
  let bytes: Buffer;
  try {
    const { size } = await stat(path);
    if (size > maximumBytes) throw invalid(path, 'it is larger than 2 GiB');
    bytes = await readFile(path);
  } catch (error) {
    throw readError(error, path);
  }
  let model: ModelProto;
  try {
    model = decodeModel(bytes);
  } catch (error) {
    throw invalid(path, `it is damaged, cut off or of another kind (${(error as Error).message})`, error);
  }
  // Any short text decodes as some message; a model has a graph and an operator set.
  if (!(model.graph as ModelProto['graph'] | null)?.node.length || model.opsetImport.length === 0) throw invalid(path, 'it holds no graph');
  const constants = new Set(model.graph.initializer.map(({ name }) => name));
  return {
    path,
    sizeBytes: bytes.length,
    opset: model.opsetImport.find(({ domain }) => domain === '' || domain === 'ai.onnx')?.version ?? null,
    producer: [model.producerName, model.producerVersion].filter(Boolean).join(' '),
    metadata: Object.fromEntries(model.metadataProps.map(({ key, value }) => [key, value])),
    // Files of old format versions list their weights among the inputs.
    inputs: model.graph.input.filter(({ name }) => !constants.has(name)).map(describeValue),
    outputs: model.graph.output.map(describeValue),
    nodes: model.graph.node.map(({ opType, name, output }) => ({ operator: opType, name, outputs: output })),
  };
}

function invalid(path: string, reason: string, cause?: unknown): SluiceError {
  return new SluiceError({ code: 'ONNX_INVALID', message: `${path} is not an ONNX model: ${reason}.`, where: path }, { cause });
}
