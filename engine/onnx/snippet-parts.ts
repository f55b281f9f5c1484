/** Pieces that the example programs share. */

export const lines = (...parts: (string | false)[]): string => `${parts.filter((part) => part !== false).join('\n')}\n`;

/** Zero states for a batch. */
export const pythonStates = (batch = 1): string => [
  'pairs = json.loads(meta["sluice.states"])  # [input, output]',
  `shapes = {i.name: [n if isinstance(n, int) else ${batch} for n in i.shape] for i in session.get_inputs()}`,
  'states = {name: np.zeros(shapes[name], np.float32) for name, _ in pairs}',
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

/** Zero states for a batch. */
export const javascriptStates = (batch = 1): string => `const pairs = JSON.parse(meta['sluice.states']); // [input, output]
let states = {};
for (const { name, shape } of session.inputMetadata) {
  if (!pairs.some(([input]) => input === name)) continue;
  const sizes = shape.map((size) => (typeof size === 'number' ? size : ${batch}));
  states[name] = new ort.Tensor('float32', new Float32Array(sizes.reduce((a, b) => a * b, 1)), sizes);
}`;

export const javascriptHead = (file: string): string => `import { readFile } from 'node:fs/promises';
import ort from 'onnxruntime-node';

const file = await readFile(${JSON.stringify(file)});
const meta = metadata(file);
const session = await ort.InferenceSession.create(file);`;
