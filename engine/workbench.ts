import { statfs } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { basename, dirname } from 'node:path';
import { loadEngine } from './binding';
import type { EngineBinding, ParityResult } from './binding/types';
import {
  methodInputs,
  SluiceError,
  type LogLine,
  type Method,
  type MethodInput,
  type MethodOutput,
  type MethodParsed,
  type Workbench,
  type WorkbenchEvent,
} from './contracts';
import { createDatasetService } from './dataset';
import { createJobs } from './jobs';
import { createExportService } from './onnx';
import type { Clock, Ports } from './ports';
import { createModelService, createRunService, issueProblems, requireBenchCase } from './training';
import { checkName, tidyWorkspace } from './workspace';

export { applyAssignments, configFields, presetLines } from './training';
export { readError, writeError } from './workspace';

/** Lines of the log kept for "copy diagnostics". */
const logLines = 2000;

export interface WorkbenchOptions {
  /** Absolute path of the workspace's folder; made when first written to. */
  workspace: string;
  /** Absolute path of the folder with the shipped samples. */
  samples: string;
  /** Threads of a run whose configuration says null; null = all physical cores. Asked at each use. */
  threads?: (physicalCores: number) => number | null;
  engine?: EngineBinding;
  clock?: Clock;
}

/** The whole workbench without a window: one constructor for the engine host, the command line and tests. */
export interface LocalWorkbench extends Workbench {
  /** Says that a run has a new live frame; fetch it with `takeFrame`. Returns how to stop listening. */
  onFrame(listener: (run: string) => void): () => void;
  /** The newest frame of a run not taken yet (a trace, see contracts/trace.ts), null where there is none. */
  takeFrame(run: string): Uint8Array | null;
  /** Live frames are made only for runs that are watched. */
  setLive(run: string, live: boolean): void;
  /** Why the engine does not use the instruction set that SLUICE_KERNEL names, as a sentence; null where it does. */
  kernelProblem(): string | null;
  /** Runs the engine on one reference fixture. */
  parity(fixtureJson: string): ParityResult[];
  /** Times one shape (`benchCase`). Throws USAGE with the field. */
  bench(shape: unknown): Promise<Record<string, unknown>>;
  /** Cancels jobs, checkpoints and ends every training. */
  shutdown(): Promise<void>;
}

/** What a schema refused, as one sentence in plain words at the field. */
function parseInput<M extends Method>(method: M, input: unknown): MethodParsed<M> {
  // A name from outside may also be one that every object inherits.
  if (!Object.hasOwn(methodInputs, method)) throw new SluiceError({ code: 'INPUT_INVALID', message: `there is no method ${String(method)}`, where: String(method) });
  const schema = methodInputs[method];
  const result = schema.safeParse(input);
  if (result.success) return result.data as MethodParsed<M>;
  const [first] = result.error.issues.flatMap((issue) => issueProblems(schema, issue, input, {}));
  const given = (input as Record<string, unknown> | null)?.[first?.path ?? ''];
  if ((first?.path === 'id' || first?.path === 'name') && typeof given === 'string') checkName(given, first.path === 'id' ? given : 'name');
  // A request is an envelope of ours; its fields are what the caller knows.
  const plain = (text: string): string => text.replace(/^request\./, '').replaceAll(' request.', ' ');
  throw new SluiceError({ code: 'INPUT_INVALID', message: plain(first?.message ?? 'the request has another form'), where: plain(first?.path || method) });
}

/** What libraries say of the disk in their own words, with a code; null for anything else. */
function diskError(error: unknown): SluiceError | null {
  const message = error instanceof Error ? error.message : String(error);
  const where = /"([^"]+)"/.exec(message)?.[1];
  const place = where === undefined ? {} : { where };
  if (/no space left on device|ENOSPC|disk quota exceeded/i.test(message)) {
    return new SluiceError({ code: 'DISK_FULL', message: 'The disk is full. Free some space and try again.', ...place }, { cause: error });
  }
  if (/read-only file system|EROFS/i.test(message)) {
    return new SluiceError({ code: 'WORKSPACE_READ_ONLY', message: 'This folder may not be written. Choose a workspace folder that you can write to.', ...place }, { cause: error });
  }
  return null;
}

/** Free bytes where a folder is, or where its nearest existing parent is. */
async function freeBytes(folder: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch (error) {
    const parent = dirname(folder);
    if (parent === folder) throw error;
    return freeBytes(parent);
  }
}

export function createWorkbench(options: WorkbenchOptions): LocalWorkbench {
  const clock: Clock = options.clock ?? { now: () => new Date() };
  const engine = options.engine ?? loadEngine();
  const listeners = new Set<(event: WorkbenchEvent) => void>();
  const lines: LogLine[] = [];
  const events = {
    emit(event: WorkbenchEvent): void {
      for (const listener of listeners) listener(event);
    },
  };
  const cores = engine.physicalCores();
  const ports: Ports = {
    workspace: options.workspace,
    samples: options.samples,
    clock,
    engine,
    events,
    log(level, message) {
      const line: LogLine = { time: clock.now().toISOString(), level, source: 'engine', message };
      lines.push(line);
      if (lines.length > logLines) lines.shift();
      events.emit({ type: 'log', line });
    },
    defaultThreads: () => options.threads?.(cores) ?? cores,
  };
  const jobs = createJobs(clock, events);
  const datasets = createDatasetService(ports);
  const models = createModelService(ports, datasets);
  const runs = createRunService(ports, datasets);
  const exports = createExportService(ports, datasets, runs);
  const kernelProblem = engine.kernelProblem();
  if (kernelProblem !== null) ports.log('warning', `${kernelProblem}. ${engine.kernel()} is used.`);
  ports.log('info', `engine ${engine.version()}, kernel ${engine.kernel()}, ${cores} cores, workspace ${options.workspace}`);

  const handlers: { [M in Method]: (input: MethodParsed<M>) => Promise<MethodOutput<M>> } = {
    'system.info': async () => ({
      version: engine.version(),
      workspace: options.workspace,
      kernel: engine.kernel(),
      cores,
      threadsDefault: ports.defaultThreads(),
      memoryBytes: process.memoryUsage.rss(),
      totalMemoryBytes: totalmem(),
      freeDiskBytes: await freeBytes(options.workspace),
      node: process.versions.node,
      platform: `${process.platform} ${process.arch}`,
    }),
    'system.providers': () => exports.providers(),
    'system.log': () => Promise.resolve([...lines]),
    'jobs.cancel': ({ job }) => Promise.resolve({ cancelled: jobs.cancel(job) }),

    'datasets.list': (input) => datasets.list(input),
    'datasets.get': (input) => datasets.get(input),
    'datasets.samples': (input) => datasets.samples(input),
    'datasets.preview': (input) => datasets.preview(input),
    'datasets.import': ({ job, request }) => jobs.run(job, 'import', basename(request.files[0] ?? ''), (context) => datasets.import(request, context)),
    'datasets.importText': ({ job, name, text }) => jobs.run(job, 'import', name ?? 'text', (context) => datasets.importText({ name, text }, context)),
    'datasets.importSample': ({ job, sample }) => jobs.run(job, 'import', sample, (context) => datasets.importSample(sample, context)),
    'datasets.generate': ({ job, request }) => jobs.run(job, 'import', request.name ?? request.task, (context) => datasets.generate(request, context)),
    'datasets.page': (input) => datasets.page(input),
    'datasets.profile': (input) => datasets.profile(input),
    'datasets.vocabulary': async ({ id }) => ({ tokens: (await datasets.tokenizer(id)).vocabulary }),
    'datasets.change': (input) => datasets.change(input),
    'datasets.rename': async (input) => {
      await refuseWhileTraining(input.id, 'renamed');
      const renamed = await datasets.rename(input);
      await runs.datasetRenamed(input.id, renamed.id);
      return renamed;
    },
    'datasets.delete': async (input) => {
      await refuseWhileTraining(input.id, 'deleted');
      return datasets.delete(input);
    },
    'datasets.restore': (input) => datasets.restore(input),

    'models.cells': () => models.cells(),
    'models.preset': (input) => models.preset(input),
    'models.describe': (input) => models.describe(input),
    'models.weights': (input) => models.weights(input),
    'models.rateTest': (input) => jobs.run(input.job, 'rateTest', 'learning-rate test', (context) => models.rateTest(input, context)),

    'runs.list': (input) => runs.list(input),
    'runs.get': (input) => runs.get(input),
    'runs.start': (input) => runs.start(input),
    'runs.pause': (input) => runs.pause(input),
    'runs.resume': (input) => runs.resume(input),
    'runs.stop': (input) => runs.stop(input),
    'runs.tune': (input) => runs.tune(input),
    'runs.continue': (input) => runs.continue(input),
    'runs.rename': (input) => runs.rename(input),
    'runs.delete': (input) => runs.delete(input),
    'runs.restore': (input) => runs.restore(input),
    'runs.metrics': (input) => runs.metrics(input),
    'runs.trace': (input) => runs.trace(input),
    'runs.probe': (input) => runs.probe(input),
    'runs.sample': (input) => runs.sample(input),
    'runs.forecast': (input) => runs.forecast(input),
    'runs.record': (input) => runs.record(input),
    'runs.weights': (input) => runs.weights(input),
    'runs.predict': (input) => runs.predict(input),
    'runs.evaluate': (input) => runs.evaluate(input),

    'exports.list': (input) => exports.list(input),
    'exports.create': ({ job, request }) => jobs.run(job, 'export', request.run, (context) => exports.create(request, context)),
    'exports.delete': (input) => exports.delete(input),
    'exports.restore': (input) => exports.restore(input),
    'exports.open': (input) => exports.open(input),
    'exports.latency': (input) => jobs.run(input.job, 'infer', basename(input.path), (context) => exports.latency(input, context)),
    'exports.infer': ({ job, request }) => jobs.run(job, 'infer', basename(request.path), (context) => exports.infer(request, context)),
    'exports.sample': (input) => exports.sample(input),
    'exports.forecast': (input) => exports.forecast(input),
  };

  /** A training reads its dataset's files until it ends. */
  async function refuseWhileTraining(dataset: string, what: string): Promise<void> {
    const using = (await runs.list({})).find((run) => run.dataset === dataset && ['queued', 'running', 'paused'].includes(run.state));
    if (!using) return;
    throw new SluiceError({
      code: 'DATASET_IN_USE',
      message: `dataset ${dataset} cannot be ${what} while run ${using.id} trains on it; stop the run first`,
      where: dataset,
      details: { run: using.id },
    });
  }

  let tidied: Promise<unknown> | null = null;
  const tidy = (): Promise<unknown> => {
    tidied ??= tidyWorkspace(options.workspace, clock.now()).catch((error: unknown) => ports.log('warning', `workspace: ${error instanceof Error ? error.message : String(error)}`));
    return tidied;
  };

  return {
    async call<M extends Method>(method: M, input: MethodInput<M>): Promise<MethodOutput<M>> {
      try {
        const parsed = parseInput(method, input);
        await tidy();
        return await handlers[method](parsed);
      } catch (error) {
        if (error instanceof SluiceError) throw error;
        const ofDisk = diskError(error);
        if (ofDisk) throw ofDisk;
        const message = error instanceof Error ? error.message : String(error);
        ports.log('error', `${method}: ${error instanceof Error ? (error.stack ?? message) : message}`);
        throw new SluiceError({ code: 'INTERNAL', message: `${method} failed: ${message}` }, { cause: error });
      }
    },
    on(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    onFrame: (listener) => runs.onFrame(listener),
    takeFrame: (run) => runs.takeFrame(run),
    setLive: (run, live) => runs.setLive(run, live),
    kernelProblem: () => kernelProblem,
    parity: (fixtureJson) => engine.parity(fixtureJson),
    bench: async (shape) => engine.bench(JSON.stringify(requireBenchCase(shape, engine))),
    async shutdown() {
      jobs.cancelAll();
      await runs.shutdown();
      await exports.shutdown();
    },
  };
}
