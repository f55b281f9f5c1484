import type { EngineBinding, ForwardRequest, ForwardResult, ModelSpec, NativeModel } from '../../engine/binding/types';
import type { CellInfo, OnnxRecipe, StepLine } from '../../engine/contracts';
import type { NamedTensor } from '../../engine/onnx/weights';
import { writeSafetensors } from './safetensors';

/**
 * The three cells once more, in float64 and one scalar at a time, straight from their equations: an
 * independent check of exported files that needs no native engine. Slow on purpose.
 */
const torch = { names: { input: 'weight_ih', recurrent: 'weight_hh', bias: 'bias_ih', recurrentBias: 'bias_hh' }, inputOnly: [], recurrentState: 'h', positiveStates: [], vectors: [], equations: [], options: [], choice: [] as [string, string][], variants: [] };
/** Lines of a step, `output operator inputs …`. */
const step = (text: string): StepLine[] =>
  text.split(';').map((line) => {
    const [output, operator, ...inputs] = line.trim().split(' ') as [string, string, ...string[]];
    return { output, operator, inputs };
  });
const recipe = (operator: OnnxRecipe['operator'], gates: string, attributes: OnnxRecipe['attributes'] = []): OnnxRecipe => ({
  operator,
  rows: [...gates].map((gate) => ({ gate })),
  activations: [],
  attributes,
  peepholes: [],
});
const signals = (names: string, gates: string): CellInfo['signals'] => [...names].map((name) => ({ name, kind: gates.includes(name) ? 'openness' : 'signed' }));

export const judgedCells: CellInfo[] = [
  { ...torch, name: 'rnn-tanh', signals: signals('h', ''), gateOrder: ['h'], states: ['h'], onnx: recipe('RNN', 'h'), step: step('h Tanh a.h') },
  { ...torch, name: 'lstm', signals: signals('figoch', 'fio'), gateOrder: ['i', 'f', 'g', 'o'], states: ['h', 'c'], onnx: recipe('LSTM', 'iofg'), step: step('i Sigmoid a.i; f Sigmoid a.f; g Tanh a.g; o Sigmoid a.o; kept Mul f c_before; added Mul i g; c Add kept added; shown Tanh c; h Mul o shown') },
  { ...torch, name: 'gru', signals: signals('rznh', 'rz'), gateOrder: ['r', 'z', 'n'], states: ['h'], onnx: recipe('GRU', 'zrn', [['linear_before_reset', 1]]), step: step('r Sigmoid a.r; z Sigmoid a.z; reset Mul r u.n; sum Add x.n reset; n Tanh sum; old Sub h_before n; kept Mul z old; h Add n kept') },
];

type Tensors = Record<string, NamedTensor>;
/** `[time][batch][size]` */
type Sequence = number[][][];

const logistic = (a: number): number => 1 / (1 + Math.exp(-a));

/** `W x + b` for one gate's rows. */
function product(weight: NamedTensor, row: number, x: number[]): number {
  let sum = 0;
  for (let k = 0; k < x.length; k++) sum += weight.data[row * x.length + k]! * x[k]!;
  return sum;
}

interface Stepped {
  h: number[];
  c: number[];
  gates: Record<string, number[]>;
}

function stepCell(cell: string, tensors: Tensors, suffix: string, size: number, x: number[], h: number[], c: number[]): Stepped {
  const tensor = (name: string): NamedTensor => tensors[`recurrent.${name}_${suffix}`]!;
  const ofInput = (row: number): number => product(tensor('weight_ih'), row, x) + tensor('bias_ih').data[row]!;
  const ofState = (row: number): number => product(tensor('weight_hh'), row, h) + tensor('bias_hh').data[row]!;
  const units = [...Array(size).keys()];
  const gate = (place: number, activation: (a: number) => number): number[] =>
    units.map((unit) => activation(ofInput(place * size + unit) + ofState(place * size + unit)));
  if (cell === 'rnn-tanh') {
    const next = gate(0, Math.tanh);
    return { h: next, c, gates: { h: next } };
  }
  if (cell === 'lstm') {
    const [i, f, g, o] = [gate(0, logistic), gate(1, logistic), gate(2, Math.tanh), gate(3, logistic)];
    const cell_ = units.map((unit) => f[unit]! * c[unit]! + i[unit]! * g[unit]!);
    const next = units.map((unit) => o[unit]! * Math.tanh(cell_[unit]!));
    return { h: next, c: cell_, gates: { i, f, g, o, c: cell_, h: next } };
  }
  const [r, z] = [gate(0, logistic), gate(1, logistic)];
  const n = units.map((unit) => Math.tanh(ofInput(2 * size + unit) + r[unit]! * ofState(2 * size + unit)));
  const next = units.map((unit) => (1 - z[unit]!) * n[unit]! + z[unit]! * h[unit]!);
  return { h: next, c, gates: { r, z, n, h: next } };
}

interface Judged {
  output: Float32Array;
  states: Record<string, Float32Array>;
  /** `l0.i` … `[batch, time, hidden]` */
  trace: Record<string, { shape: number[]; data: Float32Array }>;
}

export function judge(spec: ModelSpec, tensors: Tensors, request: ForwardRequest): Judged {
  const { time, batch } = request;
  let sequence: Sequence = [...Array(time).keys()].map((t) =>
    [...Array(batch).keys()].map((b) => {
      const place = t * batch + b;
      if (spec.input.kind === 'series') {
        const size = spec.input.inputSize;
        return [...request.series!.subarray(place * size, (place + 1) * size)];
      }
      const size = spec.input.embeddingSize;
      return [...tensors['embedding.weight']!.data.subarray(request.tokens![place]! * size, (request.tokens![place]! + 1) * size)];
    }),
  );
  const states: Record<string, Float32Array> = {};
  const trace: Judged['trace'] = {};
  let lastHidden: number[][] = [];
  spec.layers.forEach(({ cell, hiddenSize, bidirectional }, layer) => {
    const halves = (bidirectional ? ['', '_reverse'] : ['']).map((direction) => {
      const suffix = `l${layer}${direction}`;
      const row = (name: string, b: number): number[] => {
        const given = request.states[`${name}_${suffix}`];
        return given ? [...given.subarray(b * hiddenSize, (b + 1) * hiddenSize)] : Array<number>(hiddenSize).fill(0);
      };
      const output: Sequence = sequence.map(() => []);
      const finals: { h: number[]; c: number[] }[] = [];
      for (let b = 0; b < batch; b++) {
        let [h, c] = [row('h', b), row('c', b)];
        for (let k = 0; k < time; k++) {
          const t = direction === '' ? k : time - 1 - k;
          const step = stepCell(cell, tensors, suffix, hiddenSize, sequence[t]![b]!, h, c);
          ({ h, c } = step);
          output[t]![b] = h;
          for (const [gate, values] of Object.entries(step.gates)) {
            const entry = (trace[`${suffix}.${gate}`] ??= { shape: [batch, time, hiddenSize], data: new Float32Array(batch * time * hiddenSize) });
            entry.data.set(values, (b * time + t) * hiddenSize);
          }
        }
        finals.push({ h, c });
      }
      states[`h_${suffix}`] = Float32Array.from(finals.flatMap(({ h }) => h));
      if (cell === 'lstm') states[`c_${suffix}`] = Float32Array.from(finals.flatMap(({ c }) => c));
      return { output, finals };
    });
    sequence = sequence.map((_, t) => [...Array(batch).keys()].map((b) => halves.flatMap(({ output }) => output[t]![b]!)));
    lastHidden = [...Array(batch).keys()].map((b) => halves.flatMap(({ finals }) => finals[b]!.h));
  });
  const head = (hidden: number[]): number[] =>
    [...Array(spec.head.outputSize).keys()].map((row) => product(tensors['head.weight']!, row, hidden) + tensors['head.bias']!.data[row]!);
  const hidden = spec.head.mode === 'everyStep' ? sequence.flat() : lastHidden;
  return { output: Float32Array.from(hidden.flatMap(head)), states, trace };
}

/** A model over the judge, with the interface of the native one; samples greedily only. */
export function judgedModel(spec: ModelSpec, tensors: Tensors): NativeModel & { tensors(): Tensors } {
  const forward = (request: ForwardRequest): Promise<ForwardResult> => {
    const { output, states } = judge(spec, tensors, request);
    return Promise.resolve({ output, states });
  };
  return {
    parameters: () => Object.values(tensors).reduce((sum, { data }) => sum + data.length, 0),
    tensors: () => tensors,
    storeWeights: () => {
      throw new RangeError('the judge rounds nothing');
    },
    forward,
    trace: ({ time, batch, tokens, series }) => Promise.resolve(writeSafetensors(judge(spec, tensors, { time, batch, tokens, series, states: {} }).trace)),
    traceSequence: () => Promise.reject(new RangeError('the judge has no files')),
    async sample({ prompt, length }) {
      const result: number[] = [];
      let states: Record<string, Float32Array> = {};
      let tokens = prompt;
      while (result.length < length) {
        const step: ForwardResult = await forward({ time: tokens.length, batch: 1, tokens, series: null, states });
        ({ states } = step);
        const last = step.output.subarray(step.output.length - spec.head.outputSize);
        const next = last.indexOf(Math.max(...last));
        result.push(next);
        tokens = Uint32Array.of(next);
      }
      return Uint32Array.from(result);
    },
  };
}

/** Small reproducible weights by PyTorch name, uniform in ±`spread`. */
export function drawTensors(spec: ModelSpec, seed: number, spread = 0.5): Tensors {
  let state = (seed * 2654435761 + 12345) >>> 0;
  const draw = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 32 - 0.5) * 2 * spread;
  };
  const tensors: Tensors = {};
  const add = (name: string, ...shape: number[]): void => {
    tensors[name] = { shape, data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, draw) };
  };
  let inputSize = spec.input.kind === 'tokens' ? spec.input.embeddingSize : spec.input.inputSize;
  if (spec.input.kind === 'tokens') add('embedding.weight', spec.input.vocabularySize, spec.input.embeddingSize);
  spec.layers.forEach(({ cell, hiddenSize, bidirectional }, layer) => {
    const rows = judgedCells.find(({ name }) => name === cell)!.gateOrder.length * hiddenSize;
    for (const suffix of bidirectional ? [`l${layer}`, `l${layer}_reverse`] : [`l${layer}`]) {
      add(`recurrent.weight_ih_${suffix}`, rows, inputSize);
      add(`recurrent.weight_hh_${suffix}`, rows, hiddenSize);
      add(`recurrent.bias_ih_${suffix}`, rows);
      add(`recurrent.bias_hh_${suffix}`, rows);
    }
    inputSize = hiddenSize * (bidirectional ? 2 : 1);
  });
  add('head.weight', spec.head.outputSize, inputSize);
  add('head.bias', spec.head.outputSize);
  return tensors;
}

/** The part of the engine that exports use, over the judge. `tensorsOf` gives a checkpoint's weights. */
export function judgedEngine(tensorsOf: (directory: string) => Tensors): Pick<EngineBinding, 'cells' | 'version' | 'loadModel' | 'randomModel'> {
  return {
    cells: () => judgedCells,
    version: () => 'judge',
    loadModel: (directory, spec) => Promise.resolve(judgedModel(spec, tensorsOf(directory))),
    randomModel: (spec, seed) => Promise.resolve(judgedModel(spec, drawTensors(spec, seed, 0.3))),
  };
}
