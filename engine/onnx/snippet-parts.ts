/** Pieces that the example programs share. */

export const lines = (...parts: (string | false)[]): string => `${parts.filter((part) => part !== false).join('\n')}\n`;

/** States for a batch whose sequences all begin. */
export const pythonStates = (batch = 1): string => [
  'pairs = json.loads(meta["sluice.states"])  # [input, output], and where sequences begin if that was learned',
  'inputs = {i.name: i for i in session.get_inputs()}',
  'states = {}',
  'for name, _, *start in pairs:',
  `    shape = [n if isinstance(n, int) else ${batch} for n in inputs[name].shape]`,
  '    states[name] = np.zeros(shape, np.int64 if inputs[name].type == "tensor(int64)" else np.float32)',
  '    if start:',
  '        states[name][:] = np.reshape(start[0], (shape[0], 1, shape[2]))  # [directions, batch, width]',
].join('\n');

export const javascriptMetadata = `/** Metadata of an ONNX file: field 14 of its outermost message. */
function metadata(bytes) {
  const found = {};
  let at = 0;
  const number = () => {
    for (let value = 0, place = 1; ; place *= 128) {
      const byte = bytes[at++];
      value += (byte & 127) * place;
      if (byte < 128) return value;
    }
  };
  const text = () => {
    const length = number();
    return new TextDecoder().decode(bytes.subarray(at, (at += length)));
  };
  while (at < bytes.length) {
    const tag = number();
    if (tag % 8 === 0) number();
    else if (tag % 8 === 2) {
      const length = number();
      const end = at + length;
      if (tag === 14 * 8 + 2) {
        const entry = {};
        while (at < end) entry[number() === 10 ? 'key' : 'value'] = text();
        found[entry.key] = entry.value;
      }
      at = end;
    } else at += tag % 8 === 1 ? 8 : 4;
  }
  return found;
}`;

/** States for a batch whose sequences all begin. */
export const javascriptStates = (batch = 1): string => `const pairs = JSON.parse(meta['sluice.states']); // [input, output], and where sequences begin if that was learned
let states = {};
for (const { name, shape, type } of session.inputMetadata) {
  const pair = pairs.find(([input]) => input === name);
  if (!pair) continue;
  const sizes = shape.map((size) => (typeof size === 'number' ? size : ${batch}));
  const data = new (type === 'int64' ? BigInt64Array : Float32Array)(sizes.reduce((a, b) => a * b, 1));
  if (pair[2]) { // [directions, batch, width]
    const width = sizes[2];
    for (let k = 0; k < data.length; k++) data[k] = pair[2][Math.floor(k / (sizes[1] * width)) * width + (k % width)];
  }
  states[name] = new ort.Tensor(type, data, sizes);
}`;

export const javascriptHead = (file: string): string => `import { readFile } from 'node:fs/promises';
import ort from 'onnxruntime-node';

const file = await readFile(${JSON.stringify(file)});
const meta = metadata(file);
const session = await ort.InferenceSession.create(file);`;
