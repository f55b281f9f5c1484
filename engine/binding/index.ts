import type { CellInfo, ErrorShape, Metrics, RatePoint, RateTest } from '../contracts';
import { SluiceError } from '../contracts';
import { coded, codedLater } from './errors';
import { loadNative, type Native, type NativeEngineModel } from './native';
import type { EngineBinding, NativeEvent, NativeModel, ParityResult, RateTestJob, TrainJob, TrainingHandle } from './types';

export type * from './types';

let loaded: EngineBinding | null = null;

/**
 * The native engine, loaded once per process.
 *
 * @throws SluiceError `ENGINE_FAILED` where the addon is missing or does not fit this platform
 */
export function loadEngine(): EngineBinding {
  loaded ??= bindingOf(open());
  return loaded;
}

function open(): Native {
  try {
    return loadNative();
  } catch (error) {
    throw new SluiceError(
      { code: 'ENGINE_FAILED', message: 'the native engine cannot be loaded; build it again with npm start or npm test' },
      { cause: error },
    );
  }
}

function bindingOf(native: Native): EngineBinding {
  return {
    version: () => native.version(),
    kernel: () => native.kernel(),
    kernelProblem: () => native.kernelProblem(),
    bfloat16Problem: () => native.bfloat16Problem(),
    physicalCores: () => native.physicalCores(),
    cells: () => coded(() => JSON.parse(native.cells()) as CellInfo[]),
    describe: (model, work) =>
      coded(() => JSON.parse(native.describeModel(JSON.stringify(model), work?.time ?? 0, work?.batch ?? 0)) as ReturnType<EngineBinding['describe']>),
    train: (job, onEvent, onFrame) => startTraining(native, job, onEvent, onFrame),
    rateTest: (job, onPoint, signal) => runRateTest(native, job, onPoint, signal),
    loadModel: async (directory, model) => modelOf(await codedLater(() => native.loadModel(directory, JSON.stringify(model)))),
    randomModel: async (model, seed) => modelOf(await codedLater(() => native.randomModel(JSON.stringify(model), seed))),
    evaluate: async (job, directory, split) =>
      JSON.parse(await codedLater(() => native.evaluate(evaluationJob(job), directory, split))) as Metrics,
    residualQuantiles: (job, directory, level) => codedLater(() => native.residuals(evaluationJob(job), directory, level)),
    parity: (fixtureJson) =>
      coded(() => (JSON.parse(native.runParity(fixtureJson)) as NativeParityResult[]).map(({ worstTensor, ...result }) => ({ ...result, worst: worstTensor }))),
    bench: async (specJson) => JSON.parse(await codedLater(() => native.runBench(specJson))) as Record<string, unknown>,
    newestCheckpoint: (directory) => coded(() => JSON.parse(native.newestCheckpoint(directory)) as ReturnType<EngineBinding['newestCheckpoint']>),
  };
}

type NativeParityResult = Omit<ParityResult, 'worst'> & { worstTensor: string };

/** Only what the engine knows: a whole job may be given. */
function evaluationJob({ config, data, threads }: Pick<TrainJob, 'config' | 'data' | 'threads'>): string {
  return JSON.stringify({ config, data, threads });
}

function startTraining(native: Native, job: TrainJob, onEvent: (event: NativeEvent) => void, onFrame: () => void): TrainingHandle {
  let settle!: () => void;
  const ended = new Promise<void>((resolve) => {
    settle = resolve;
  });
  const training = coded(() =>
    native.train(
      JSON.stringify(job),
      (json) => {
        const event = JSON.parse(json) as NativeEvent | { event: 'ended' };
        if (event.event === 'ended') settle();
        else onEvent(event);
      },
      onFrame,
    ),
  );
  return {
    pause: () => training.pause(),
    resume: () => training.resume(),
    stop: () => training.stop(),
    interrupt: () => training.interrupt(),
    setProbe: (probe) => coded(() => training.setProbe(JSON.stringify(probe))),
    change: (settings) => coded(() => training.change(JSON.stringify(settings))),
    setLive: (live) => training.setLive(live),
    takeFrame: () => training.takeFrame(),
    wait: () => ended,
  };
}

type RateTestEvent = { event: 'point'; point: RatePoint } | { event: 'done'; result: RateTest } | { event: 'failed'; error: ErrorShape };

function runRateTest(native: Native, { config, data, threads, from, to, steps }: RateTestJob, onPoint: (point: RatePoint) => void, signal: AbortSignal): Promise<RateTest> {
  return new Promise((resolve, reject) => {
    const test = coded(() =>
      native.rateTest(JSON.stringify({ config, data, threads, from, to, steps }), (json) => {
        const event = JSON.parse(json) as RateTestEvent;
        if (event.event === 'point') return onPoint(event.point);
        signal.removeEventListener('abort', cancel);
        if (event.event === 'done') resolve(event.result);
        else reject(new SluiceError(event.error));
      }),
    );
    const cancel = (): void => test.cancel();
    signal.addEventListener('abort', cancel);
    if (signal.aborted) cancel();
  });
}

type OpenModel = NativeModel & { tensors(): Record<string, { shape: number[]; data: Float32Array }> };

function modelOf(model: NativeEngineModel): OpenModel {
  return {
    parameters: () => model.parameters(),
    storeWeights: () => model.storeWeights(),
    tensors: () => Object.fromEntries(coded(() => model.tensors()).map(({ name, shape, data }) => [name, { shape, data }])),
    forward: ({ time, batch, tokens, series, states }) => codedLater(() => model.forward(time, batch, tokens, series, states)),
    sample: ({ prompt, length, temperature, topK, topP, seed }) =>
      codedLater(() => model.sample(prompt, length, temperature, topK, topP, seed)),
    trace: ({ time, batch, tokens, series, target, gradients }) =>
      codedLater(() => model.trace(time, batch, tokens, series, target, gradients)),
    traceSequence: (data, number, gradients) => codedLater(() => model.traceSequence(JSON.stringify(data), number, gradients)),
  };
}
