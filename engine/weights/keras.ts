import { remark } from './remarks';
import { familyOf, type Family, type Module, type ParsedWeights, type RecurrentDirection, type RecurrentModule } from './modules';
import { naturally, reordered, transposed, type Matrix, type SourceTensor } from './tensors';

/** Where each gate of PyTorch's order stands in Keras's: LSTM i f c o, GRU z r h. Keras's order serves as its own inverse. */
export const kerasBlocks: Record<Family, readonly number[]> = { rnn: [0], lstm: [0, 1, 2, 3], gru: [1, 0, 2] };

const variable = /^(?:(.*?)[/.])?(embeddings|recurrent_kernel|kernel|bias|gamma|beta)(?::0)?$/;
const numberedVariable = /^(?:(.*)\/)?vars\/(\d+)$/;
/** A name that is only a place in a list: `arr_3`, `7`, `007.lstm.kernel`. */
const placeName = /^(?:arr_)?(\d+)(?:$|[._ -])/;

export function isKeras(names: readonly string[]): boolean {
  return names.length > 0 && (names.every((name) => placeName.test(name)) || names.some((name) => /(^|[/.])(embeddings|(recurrent_)?kernel)(:0)?$/.test(name) || numberedVariable.test(name)));
}

/** Weights of a Keras model, by their paths or, where they have none, by their order (`model.get_weights()`). */
export function parseKeras(tensors: readonly SourceTensor[]): ParsedWeights {
  const names = tensors.map(({ name }) => name);
  return names.every((name) => placeName.test(name)) ? parseList(inPlace(tensors)) : parsePaths(tensors);
}

function inPlace(tensors: readonly SourceTensor[]): SourceTensor[] {
  const place = ({ name }: SourceTensor): number => Number(placeName.exec(name)![1]);
  return [...tensors].sort((a, b) => place(a) - place(b));
}

function matrix({ shape, data }: SourceTensor): Matrix {
  return { rows: shape[0]!, columns: shape[1]!, data: data! };
}

/** Whether a bias belongs to a recurrent kernel of so many columns: one row, or two of a GRU with the reset after the product. */
function isRecurrentBias({ shape }: SourceTensor, columns: number, family: Family): boolean {
  return shape.join() === String(columns) || (family === 'gru' && shape.join() === `2,${columns}`);
}

/** One direction as PyTorch has it; null where the three do not go together. */
function direction(kernel: SourceTensor, recurrent: SourceTensor, bias: SourceTensor | null): (RecurrentDirection & { family: Family; resetAfter: boolean | null }) | null {
  if (kernel.shape.length !== 2 || recurrent.shape.length !== 2 || kernel.shape[1] !== recurrent.shape[1]) return null;
  const [hiddenSize, columns] = [recurrent.shape[0]!, recurrent.shape[1]!];
  const family = familyOf(columns, hiddenSize);
  if (family === null || (bias && !isRecurrentBias(bias, columns, family))) return null;
  const order = kerasBlocks[family];
  const rows = (from: SourceTensor): Matrix => {
    const turned = transposed(matrix(from));
    return { ...turned, data: reordered(turned.data, order) };
  };
  const isPair = bias?.shape.length === 2;
  const half = (from: number): Float32Array => reordered(bias!.data!.subarray(from * columns, (from + 1) * columns), order);
  return {
    family,
    resetAfter: family !== 'gru' ? null : bias === null ? null : isPair,
    input: rows(kernel),
    recurrent: rows(recurrent),
    bias: bias ? half(0) : null,
    recurrentBias: bias && isPair ? half(1) : null,
    projection: null,
    names: { input: kernel.name, recurrent: recurrent.name, bias: bias?.name ?? null, recurrentBias: bias && isPair ? bias.name : null, projection: null },
  };
}

function layer(name: string, directions: NonNullable<ReturnType<typeof direction>>[], isUnnamed: boolean): RecurrentModule {
  const [{ family, resetAfter, input, recurrent }] = directions as [NonNullable<ReturnType<typeof direction>>];
  return { kind: 'recurrent', name, family, resetAfter, inputSize: input.columns, hiddenSize: recurrent.columns, outputSize: recurrent.columns, directions, isUnnamed };
}

/** Arrays without names: a kernel is followed by its recurrent kernel and perhaps a bias, a matrix perhaps by a bias. */
function parseList(tensors: readonly SourceTensor[]): ParsedWeights {
  const modules: Module[] = [];
  const problems: ParsedWeights['problems'] = [];
  for (let at = 0; at < tensors.length; ) {
    const [first, second, third] = tensors.slice(at, at + 3) as [SourceTensor, SourceTensor?, SourceTensor?];
    const family = second?.shape.length === 2 ? familyOf(second.shape[1]!, second.shape[0]!) : null;
    const withBias = second && third && direction(first, second, third);
    // Square matrices in a row are kernels of a plain network only where a bias follows: an embedding can stand before one.
    const pair = withBias || (second && family !== 'rnn' && direction(first, second, null));
    if (pair) {
      modules.push(layer(first.name, [pair], true));
      at += withBias ? 3 : 2;
    } else if (first.shape.length === 2) {
      const bias = second?.shape.join() === String(first.shape[1]) ? second : null;
      const kind = bias ? 'linear' : 'matrix';
      // An embedding stays as it is; whoever takes the matrix says which it is.
      const weight = bias ? transposed(matrix(first)) : matrix(first);
      modules.push({ kind, name: first.name, weight, shape: first.shape, bias: bias?.data ?? null, names: { weight: first.name, bias: bias?.name ?? null } });
      at += bias ? 2 : 1;
    } else if (first.shape.length === 1 && second?.shape.join() === first.shape.join()) {
      modules.push({ kind: 'norm', name: first.name, gain: first.data!, bias: second.data!, names: { gain: first.name, bias: second.name } });
      at += 2;
    } else {
      problems.push(remark.surplus(first));
      at += 1;
    }
  }
  return { modules, problems };
}

/** `lstm/lstm_cell` and `bidirectional/forward_lstm/lstm_cell` belong to the layers `lstm` and `bidirectional`. */
function place(path: string): { layer: string; isReverse: boolean } {
  const parts = path.split(/[/.]/).filter((part) => part !== '');
  const isReverse = parts.some((part) => /^backward(_|$)/.test(part));
  const kept = parts.filter((part) => !/^(forward|backward)(_|$)/.test(part) && !/(^|_)cell(_\d+)?$/.test(part));
  return { layer: kept.join('/'), isReverse };
}

/** Arrays by path: Keras 3 (`sequential/lstm/lstm_cell/kernel`), Keras 2 (`…/kernel:0`), `.weights.h5` (`layers/lstm/cell/vars/0`). */
function parsePaths(tensors: readonly SourceTensor[]): ParsedWeights {
  const problems: ParsedWeights['problems'] = [];
  const layers = new Map<string, Record<'forward' | 'reverse', Map<string, SourceTensor>>>();
  const groups = new Map<string, [number, SourceTensor][]>();
  const add = (path: string, part: string, tensor: SourceTensor): void => {
    const { layer: name, isReverse } = place(path);
    if (!layers.has(name)) layers.set(name, { forward: new Map(), reverse: new Map() });
    layers.get(name)![isReverse ? 'reverse' : 'forward'].set(part, tensor);
  };
  for (const tensor of tensors) {
    const named = variable.exec(tensor.name);
    const counted = numberedVariable.exec(tensor.name);
    if (named) add(named[1] ?? '', named[2]!, tensor);
    else if (counted) groups.set(counted[1] ?? '', [...(groups.get(counted[1] ?? '') ?? []), [Number(counted[2]), tensor]]);
    else problems.push(remark.surplus(tensor));
  }
  for (const [path, counted] of groups) {
    const parts = counted.sort(([a], [b]) => a - b).map(([, tensor]) => tensor);
    const isCell = /(^|[/_])cell(_\d+)?$/.test(path) || (parts.length >= 2 && parts[1]!.shape.length === 2);
    const roles = isCell ? ['kernel', 'recurrent_kernel', 'bias'] : parts[0]!.shape.length === 1 ? ['gamma', 'beta'] : parts.length === 1 && /embed/i.test(path) ? ['embeddings'] : ['kernel', 'bias'];
    parts.forEach((tensor, k) => {
      if (roles[k] === undefined) problems.push(remark.surplus(tensor));
      else add(path, roles[k], tensor);
    });
  }
  const modules: Module[] = [];
  for (const [name, { forward, reverse }] of [...layers].sort(([a], [b]) => naturally(a, b))) {
    const module = pathModule(name, forward, reverse);
    if (module) modules.push(module);
    else problems.push(...[...forward.values(), ...reverse.values()].map(remark.surplus));
  }
  return { modules, problems };
}

function pathModule(name: string, forward: Map<string, SourceTensor>, reverse: Map<string, SourceTensor>): Module | null {
  const sides = [forward, reverse].filter((parts) => parts.size > 0);
  if (forward.has('recurrent_kernel')) {
    const directions = sides.map((parts) => {
      const [kernel, recurrent] = [parts.get('kernel'), parts.get('recurrent_kernel')];
      return kernel && recurrent ? direction(kernel, recurrent, parts.get('bias') ?? null) : null;
    });
    const whole = directions.filter((each) => each !== null);
    const isEqual = whole.every(({ family, input, recurrent }) => family === whole[0]!.family && input.columns === whole[0]!.input.columns && recurrent.columns === whole[0]!.recurrent.columns);
    return whole.length === sides.length && isEqual ? layer(name, whole, false) : null;
  }
  if (sides.length !== 1) return null;
  const [gamma, beta] = [forward.get('gamma'), forward.get('beta')];
  if (gamma) return { kind: 'norm', name, gain: gamma.data!, bias: beta?.data ?? null, names: { gain: gamma.name, bias: beta?.name ?? null } };
  const embeddings = forward.get('embeddings');
  if (embeddings) return embeddings.shape.length === 2 ? { kind: 'embedding', name, weight: matrix(embeddings), shape: embeddings.shape, bias: null, names: { weight: embeddings.name, bias: null } } : null;
  const [kernel, bias] = [forward.get('kernel'), forward.get('bias') ?? null];
  if (kernel?.shape.length !== 2 || (bias && bias.shape.join() !== String(kernel.shape[1]))) return null;
  return { kind: 'linear', name, weight: transposed(matrix(kernel)), shape: kernel.shape, bias: bias?.data ?? null, names: { weight: kernel.name, bias: bias?.name ?? null } };
}
