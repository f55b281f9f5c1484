import { rm } from 'node:fs/promises';
import type { ModelSpec, NativeModel, SeriesData, TrainingData } from '../binding/types';
import { probeConfig, readSafetensors, runConfig, SluiceError, weightsSource, type Dataset, type MethodInput, type MethodOutput, type MethodParsed, type ModelDescription, type RunConfig, type RunDetails, type RunStatus, type RunSummary, type TaskConfig } from '../contracts';
import type { DatasetService, JobContext, Ports, RunService } from '../ports';
import { checkName, isTaken, moveToTrash, nameTaken, outputPlace, restoreFromTrash, workspacePaths, writeAtomic, writeJson } from '../workspace';
import { createActiveRun, type ActiveRun } from './active-run';
import { readChanges } from './changes';
import { checkpointFault } from './checkpoints';
import { completeConfig, requireConfig, type ConfigContext } from './config';
import { describeModel } from './describe';
import { writeWeights } from './export-weights';
import { findWindow, forecastWindow, intervalLevel } from './forecasting';
import { initialWeightsOf, startedFrom, startingWeights, weightsReport } from './initial-weights';
import { machineBytes } from './memory';
import { readMetrics } from './metrics-log';
import { architecture, dataSizes, modelSpec } from './model-spec';
import { nearestName } from './nearest-name';
import { runRateTest, type RateTestRequest } from './rate-test';
import { presetConfig, presetNamed, presetsFor, presetTask } from './presets';
import { predictSequences } from './predictions';
import { encodeAt, resolveProbe, samplePrompt, sequenceNumber } from './probe';
import { checkpointSteps, createRun, readConfig, readRunData, readTrace, removeLeftovers, runFile, runIds, traceSteps } from './run-files';
import { createStatusReader } from './rebuild-status';
import { acquireLock, lockOwner, releaseLock } from './run-lock';
import { isActive, observedState, requireTransition, withReason } from './run-state';
import { seriesToTrace } from './series-input';
import { doing } from './task-words';
import { withMetadata } from './trace-file';
import { askOwner } from './tune-requests';

export { applyAssignments } from './assignments';
export { requireBenchCase } from './bench-case';
export { configFields, presetLines } from './config-fields';
export { issueProblems } from './field-problems';
export { dataSizes, modelSpec } from './model-spec';

/** `models.*` of the workbench: what could be trained, before a run of it exists. */
export interface ModelService {
  cells(): Promise<MethodOutput<'models.cells'>>;
  preset(input: MethodInput<'models.preset'>): Promise<MethodOutput<'models.preset'>>;
  describe(input: MethodInput<'models.describe'>): Promise<MethodOutput<'models.describe'>>;
  weights(input: MethodParsed<'models.weights'>): Promise<MethodOutput<'models.weights'>>;
  rateTest(request: RateTestRequest, job: JobContext): Promise<MethodOutput<'models.rateTest'>>;
}

/** The task of a preset that is looked at before there is a dataset; nothing is trained with it. */
function sketchTask(kind: TaskConfig['kind']): TaskConfig {
  if (kind === 'regress') return { kind, inputs: ['value'], targets: ['target'], scaling: 'standard' };
  return kind !== 'forecast' ? { kind } : { kind, lookback: 96, horizon: 24, targets: ['value'], covariates: [], scaling: 'standard', subtractLast: true };
}

function configContext(ports: Ports, datasets: DatasetService): ConfigContext {
  return {
    dataset: (id) => datasets.get({ id }),
    datasetNames: async () => (await datasets.list({})).map((dataset) => dataset.id),
    cells: () => ports.engine.cells(),
    describe: (model, work) => ports.engine.describe(model, work),
    memoryBytes: machineBytes,
    bfloat16Problem: () => ports.engine.bfloat16Problem(),
    trainingData: (config) => datasets.trainingData(config),
  };
}

export function createModelService(ports: Ports, datasets: DatasetService): ModelService {
  const context = configContext(ports, datasets);
  return {
    cells: () => Promise.resolve(ports.engine.cells()),
    async preset({ preset, dataset: id }) {
      const dataset = id === null ? null : await datasets.get({ id });
      const found = presetNamed(preset, dataset);
      const presets = await Promise.all(
        presetsFor(dataset?.task.kind ?? null).map(async (name) => {
          const layers = (presetConfig(name).model?.layers ?? []).map((layer) => `${layer.cell} ${layer.hiddenSize}`).join(' · ');
          if (!dataset) return { name, layers, parameters: null };
          const description = describeModel(await completeConfig({ dataset: dataset.id }, context, name), ports.engine);
          return { name, layers, parameters: description.problems.length > 0 ? null : description.parameters };
        }),
      );
      if (!dataset) return { preset: found, presets, config: runConfig.parse({ dataset: '', task: sketchTask(presetTask(found)), ...presetConfig(found) }) };
      const { config } = await requireConfig({ dataset: dataset.id }, context, found);
      return { preset: found, presets, config };
    },
    async describe({ config: given }) {
      const completed = await completeConfig(given, context);
      const description: ModelDescription = describeModel(completed, ports.engine);
      return { config: completed.config, description };
    },
    async weights({ source, config: given }) {
      const { config, data } = await requireConfig(given, context);
      return weightsReport(source, config, data, datasets, ports.engine);
    },
    rateTest: (request, job) => runRateTest(ports, context, request, job),
  };
}

/** A run's id from what it trains: `shakespeare-lstm`, cut so that a number still fits. */
function baseName(dataset: Dataset, config: RunConfig): string {
  return `${[...dataset.id].slice(0, 50).join('')}-${config.model.layers[0]?.cell ?? 'run'}`;
}

function freshStatus(id: string, createdAt: string): RunStatus {
  return {
    format: 'sluice-run/1',
    id,
    name: id,
    state: 'queued',
    createdAt,
    startedAt: null,
    endedAt: null,
    step: 0,
    totalSteps: null,
    epoch: 0,
    bestStep: null,
    parameters: 0,
    stoppedEarly: false,
    metrics: { train: null, validation: null, test: null },
    tokensPerSecond: null,
    threads: null,
    kernel: null,
    error: null,
  };
}

function notFound(id: string, runs: readonly string[]): SluiceError {
  const nearest = nearestName(id, runs);
  const hint = nearest === null ? 'train one first' : `the nearest is ${nearest}`;
  return new SluiceError({ code: 'RUN_NOT_FOUND', message: `there is no run ${id} in this workspace; ${hint}`, where: id, details: { id, nearest } });
}

export function createRunService(ports: Ports, datasets: DatasetService): RunService {
  const workspace = workspacePaths(ports.workspace);
  const context = configContext(ports, datasets);
  const statusIn = createStatusReader(ports.log);
  const active = new Map<string, ActiveRun>();
  const queue: ActiveRun[] = [];
  const frameListeners = new Set<(run: string) => void>();
  /** Runs whose frames somebody wants, whether or not they are being trained now. */
  const watched = new Set<string>();
  let training: ActiveRun | null = null;
  let closing = false;
  let loaded: { directory: string; model: Promise<NativeModel> } | null = null;

  /** Begins the next queued run when none is being trained here. */
  const pump = (): void => {
    if (training || closing) return;
    const next = queue.shift();
    if (!next) return;
    training = next;
    next.begin();
  };

  const enlist = (run: ActiveRun): void => {
    active.set(run.id, run);
    queue.push(run);
    void run.ended.then(() => {
      active.delete(run.id);
      const position = queue.indexOf(run);
      if (position >= 0) queue.splice(position, 1);
      if (training === run) training = null;
      pump();
    });
    ports.events.emit({ type: 'runsChanged' });
    pump();
  };

  const notifyFrame = (id: string) => (): void => {
    for (const listener of frameListeners) listener(id);
  };

  /** The run of an id, or of a name where no id is like it. */
  const resolveId = async (given: string): Promise<string> => {
    const ids = await runIds(workspace);
    if (ids.includes(given)) return given;
    for (const id of ids) {
      const status = active.get(id)?.status() ?? (await statusIn(workspace.run(id)).catch(() => null));
      if (status?.name === given) return id;
    }
    throw notFound(given, ids);
  };

  const summaryOf = async (id: string): Promise<{ summary: RunSummary; config: RunConfig; checkpoints: number[] }> => {
    const directory = workspace.run(id);
    const own = active.get(id);
    const config = own?.config() ?? (await readConfig(directory));
    const recorded = own?.status() ?? (await statusIn(directory));
    const ownerAlive = own !== undefined || !isActive(recorded.state) || (await lockOwner(directory)) !== null;
    const checkpoints = await checkpointSteps(directory);
    const summary: RunSummary = {
      ...recorded,
      // Between reading the file and the lock its owner may have ended in good order: read again.
      ...(!ownerAlive && (await statusIn(directory))),
      dataset: config.dataset,
      taskKind: config.task.kind,
      architecture: architecture(config),
      lastCheckpoint: checkpoints.at(-1) ?? null,
      queuePlace: own && queue.includes(own) ? queue.indexOf(own) + 1 : null,
    };
    summary.state = observedState(summary.state, ownerAlive);
    return { summary: withReason(summary), config, checkpoints };
  };

  const detailsOf = async (id: string): Promise<RunDetails> => {
    const { summary, config, checkpoints } = await summaryOf(id);
    const directory = workspace.run(id);
    const changes = active.get(id)?.changes() ?? (await readChanges(directory));
    return { ...summary, config, checkpoints, traceSteps: await traceSteps(directory), startedFrom: await startedFrom(directory), changes };
  };

  const dataOf = async (id: string, config: RunConfig): Promise<TrainingData> => {
    const dataset = await datasets.get({ id: config.dataset });
    const { sourceSha256, data } = await readRunData(workspace.run(id), workspace.dataset(config.dataset));
    if (sourceSha256 !== dataset.source.sha256) {
      throw new SluiceError({
        code: 'DATASET_DAMAGED',
        message: `dataset ${config.dataset} is not the one that run ${id} was trained on: another file was imported under its name`,
        where: workspace.dataset(config.dataset),
      });
    }
    await datasets.check(config.dataset);
    return data;
  };

  const tokenizerOf = async (data: TrainingData, dataset: string) => (data.kind === 'tokens' ? await datasets.tokenizer(dataset) : null);

  /** The run when this process works on it; throws why not. */
  const ownRun = async (given: string, command: string): Promise<ActiveRun> => {
    const id = await resolveId(given);
    const own = active.get(id);
    if (own) return own;
    const { summary } = await summaryOf(id);
    if (isActive(summary.state)) {
      const owner = await lockOwner(workspace.run(id));
      throw new SluiceError({
        code: 'RUN_LOCKED',
        message: `run ${id} is trained by process ${owner?.pid ?? 'unknown'}; ${command} it there`,
        where: id,
        details: { pid: owner?.pid ?? null },
      });
    }
    throw new SluiceError({ code: 'RUN_NOT_ACTIVE', message: `run ${id} is ${summary.state}; there is nothing to ${command}`, where: id, details: { state: summary.state } });
  };

  const requireIdle = async (id: string, command: string): Promise<void> => {
    const { summary } = await summaryOf(id);
    if (isActive(summary.state)) {
      throw new SluiceError({ code: 'RUN_LOCKED', message: `run ${id} is ${summary.state}; stop it, then ${command} it`, where: id, details: { state: summary.state } });
    }
  };

  /** The first whole checkpoint in an order of steps, and the damaged ones before it, which are also named in the log. */
  const firstWhole = async (
    id: string,
    steps: readonly number[],
  ): Promise<{ found: { directory: string; step: number } | null; damaged: { checkpoint: string; reason: string }[] }> => {
    const damaged: { checkpoint: string; reason: string }[] = [];
    for (const step of steps) {
      const directory = runFile.checkpoint(workspace.run(id), step);
      const reason = await checkpointFault(directory);
      if (reason === null) return { found: { directory, step }, damaged };
      // A training that goes on removes its older checkpoints: gone is not damaged.
      if (!(await checkpointSteps(workspace.run(id))).includes(step)) continue;
      damaged.push({ checkpoint: directory, reason });
      ports.log('warning', `run ${id}: checkpoint ${directory} cannot be used: ${reason}`);
    }
    return { found: null, damaged };
  };

  const noneWhole = (id: string, damaged: readonly { checkpoint: string; reason: string }[]): SluiceError =>
    new SluiceError({
      code: 'CHECKPOINT_DAMAGED',
      message: `no checkpoint of run ${id} is whole (${damaged.map(({ checkpoint: directory, reason }) => `${directory}: ${reason}`).join('; ')}); train it anew`,
      where: workspace.run(id),
    });

  /** Which checkpoint stands for a run: the best, else the newest whole one. */
  const findCheckpoint = async (id: string, bestStep: number | null): Promise<{ directory: string; step: number }> => {
    const newestFirst = (await checkpointSteps(workspace.run(id))).reverse();
    const best = newestFirst.filter((step) => step === bestStep);
    const { found, damaged } = await firstWhole(id, [...best, ...newestFirst.filter((step) => step !== bestStep)]);
    if (found) return found;
    if (damaged.length > 0) throw noneWhole(id, damaged);
    throw new SluiceError({ code: 'CHECKPOINT_MISSING', message: `run ${id} has no checkpoint yet; train it first`, where: workspace.run(id) });
  };

  const checkpoint: RunService['checkpoint'] = async (given, which = 'best') => {
    const id = await resolveId(given);
    const run = await detailsOf(id);
    if (typeof which === 'number' && !run.checkpoints.includes(which)) {
      const steps = run.checkpoints.length === 0 ? 'none' : `those of steps ${run.checkpoints.join(', ')}`;
      throw new SluiceError({ code: 'INPUT_INVALID', message: `run ${id} has no checkpoint of step ${which}; there are ${steps}`, where: 'checkpoint' });
    }
    const found = await findCheckpoint(id, which === 'best' ? run.bestStep : which === 'last' ? null : which);
    if (typeof which === 'number' && found.step !== which) throw noneWhole(id, [{ checkpoint: runFile.checkpoint(workspace.run(id), which), reason: 'it is damaged' }]);
    const data = await dataOf(id, run.config);
    return { run, ...found, data, model: modelSpec(run.config, dataSizes(data)) };
  };

  /** Weights of the checkpoint asked for last stay loaded. */
  const loadModel = async (directory: string, spec: ModelSpec): Promise<NativeModel> => {
    if (loaded?.directory !== directory) {
      const model = ports.engine.loadModel(directory, spec);
      loaded = { directory, model };
      model.catch(() => {
        if (loaded?.model === model) loaded = null;
      });
    }
    return loaded.model;
  };

  /** Residual quantiles of one checkpoint's validation windows; each is computed once. */
  let quantilesOf: { directory: string; quantiles: Promise<{ lower: Float32Array; upper: Float32Array }> } | null = null;
  const residuals = (directory: string, config: RunConfig, data: SeriesData): Promise<{ lower: Float32Array; upper: Float32Array }> => {
    if (quantilesOf?.directory !== directory) {
      const quantiles = ports.engine.residualQuantiles({ config, data, threads: evaluationThreads(config) }, directory, intervalLevel).then(({ lower, upper }) => ({
        // Where a few windows all err to one side, the interval still holds its own forecast.
        lower: lower.map((value) => Math.min(value, 0)),
        upper: upper.map((value) => Math.max(value, 0)),
      }));
      quantilesOf = { directory, quantiles };
      quantiles.catch(() => {
        quantilesOf = null;
      });
    }
    return quantilesOf.quantiles;
  };

  const evaluationThreads = (config: RunConfig): number => config.training.threads ?? ports.defaultThreads();

  return {
    checkpoint,

    async list() {
      const ids = await runIds(workspace);
      const summaries = await Promise.all(
        ids.map((id) =>
          summaryOf(id).then(
            ({ summary }) => summary,
            (error: unknown) => {
              ports.log('warning', `run ${id} is left out of the list: ${error instanceof Error ? error.message : String(error)}`);
              return null;
            },
          ),
        ),
      );
      return summaries.filter((summary) => summary !== null).sort((a, b) => b.createdAt.localeCompare(a.createdAt));
    },

    async get({ id }) {
      return detailsOf(await resolveId(id));
    },

    async start({ config: given, name, weights = null }) {
      const { config, data } = await requireConfig(given, context);
      const source = weights === null ? null : weightsSource.parse(weights);
      const initial = source === null ? null : await startingWeights(source, config, data, datasets, ports.engine);
      for (const note of initial?.notes ?? []) ports.log('info', `${source!.path}: ${note.message}`);
      const dataset = await datasets.get({ id: config.dataset });
      const tokenizer = await tokenizerOf(data, config.dataset);
      const probe = await resolveProbe(config.probe, data, tokenizer);
      const prompt = await samplePrompt(config.probe, data, tokenizer);
      const createdAt = ports.clock.now().toISOString();
      const created = await createRun(workspace, name === null ? null : checkName(name), baseName(dataset, config), (id) => ({
        config,
        status: freshStatus(id, createdAt),
        data: { sourceSha256: dataset.source.sha256, data },
        initialWeights: initial?.bytes ?? null,
      }));
      const status = freshStatus(created.id, createdAt);
      enlist(
        createActiveRun(
          ports,
          { directory: created.directory, status, config, data, tokenizer, probe, prompt, lock: created.lock, resumeFrom: null, initialWeights: await initialWeightsOf(created.directory), resumed: false, damaged: [], changes: [], live: watched.has(created.id) },
          notifyFrame(created.id),
        ),
      );
      return detailsOf(created.id);
    },

    async pause({ id }) {
      const run = await ownRun(id, 'pause');
      requireTransition(run.id, run.status().state, 'pause');
      await run.pause();
      return { step: run.status().step };
    },

    async resume({ id }) {
      const run = await ownRun(id, 'resume');
      requireTransition(run.id, run.status().state, 'resume');
      await run.resume();
      return { step: run.status().step };
    },

    async stop({ id }) {
      const run = await ownRun(id, 'stop');
      await run.stop();
      return { step: run.status().step };
    },

    async tune({ id: given, set }) {
      const id = await resolveId(given);
      const own = active.get(id);
      if (own) return { changes: await own.tune(set) };
      const { summary } = await summaryOf(id);
      if (!isActive(summary.state)) {
        throw new SluiceError({ code: 'RUN_NOT_ACTIVE', message: `run ${id} is ${summary.state}; its settings can be changed while it trains`, where: id, details: { state: summary.state } });
      }
      const directory = workspace.run(id);
      return { changes: await askOwner(directory, id, set, async () => (await lockOwner(directory)) !== null) };
    },

    async continue({ id: given }) {
      const id = await resolveId(given);
      const directory = workspace.run(id);
      const before = await summaryOf(id);
      requireTransition(id, before.summary.state, 'continue');
      const { config } = before;
      const data = await dataOf(id, config);
      const tokenizer = await tokenizerOf(data, config.dataset);
      const probe = await resolveProbe(config.probe, data, tokenizer);
      const prompt = await samplePrompt(config.probe, data, tokenizer);
      const lock = await acquireLock(directory);
      try {
        // Another process may have continued and ended it since.
        const recorded = await statusIn(directory);
        requireTransition(id, observedState(recorded.state, false), 'continue');
        await removeLeftovers(directory, ports.clock.now());
        const { found: newest, damaged } = await firstWhole(id, (await checkpointSteps(directory)).reverse());
        if (!newest) {
          // Starting over would hide that there is something to lose.
          if (damaged.length > 0) throw noneWhole(id, damaged);
          await rm(runFile.metrics(directory), { force: true });
          await rm(runFile.traces(directory), { recursive: true, force: true });
        }
        // Train and test belong to the best step of the end before; the next end measures them anew.
        const metrics = { ...recorded.metrics, train: null, test: null };
        const status: RunStatus = { ...recorded, state: 'queued', step: newest?.step ?? 0, endedAt: null, error: null, stoppedEarly: false, metrics };
        await writeJson(runFile.status(directory), status);
        enlist(
          createActiveRun(
            ports,
            { directory, status, config, data, tokenizer, probe, prompt, lock, resumeFrom: newest?.directory ?? null, initialWeights: await initialWeightsOf(directory), resumed: true, damaged, changes: await readChanges(directory), live: watched.has(id) },
            notifyFrame(id),
          ),
        );
      } catch (error) {
        await releaseLock(directory, lock);
        throw error;
      }
      return detailsOf(id);
    },

    async rename({ id: given, name }) {
      const id = await resolveId(given);
      const wanted = checkName(name);
      for (const other of await runIds(workspace)) {
        if (other === id) continue;
        const status = await statusIn(workspace.run(other)).catch(() => null);
        if (isTaken(wanted, [other, ...(status ? [status.name] : [])])) throw nameTaken(wanted);
      }
      const own = active.get(id);
      if (own) {
        await own.rename(wanted);
      } else {
        await requireIdle(id, 'rename');
        const directory = workspace.run(id);
        await writeJson(runFile.status(directory), { ...(await statusIn(directory)), name: wanted });
      }
      ports.events.emit({ type: 'runsChanged' });
      return (await summaryOf(id)).summary;
    },

    async delete({ id: given }) {
      const id = await resolveId(given);
      const own = active.get(id);
      if (own?.status().state === 'queued') await own.stop();
      await requireIdle(id, 'delete');
      if (loaded?.directory.startsWith(workspace.run(id))) loaded = null;
      const trashed = await moveToTrash(workspace, { kind: 'run', id, paths: [workspace.run(id)] }, ports.clock.now());
      ports.events.emit({ type: 'runsChanged' });
      ports.events.emit({ type: 'exportsChanged' });
      return { trashed };
    },

    async restore({ trashed }) {
      const { id } = await restoreFromTrash(workspace, trashed, 'run');
      const directory = workspace.run(id);
      await writeJson(runFile.status(directory), await statusIn(directory));
      ports.events.emit({ type: 'runsChanged' });
      ports.events.emit({ type: 'exportsChanged' });
      return { id };
    },

    async metrics({ id, after = -1 }) {
      return readMetrics(runFile.metrics(workspace.run(await resolveId(id))), after);
    },

    async trace({ id, step }) {
      return readTrace(workspace.run(await resolveId(id)), step);
    },

    async probe({ id: given, probe: wanted }) {
      const id = await resolveId(given);
      const own = active.get(id);
      if (!own) await requireIdle(id, 'probe');
      const directory = workspace.run(id);
      const config = own?.config() ?? (await readConfig(directory));
      const next: RunConfig = { ...config, probe: probeConfig.parse(wanted) };
      const data = await dataOf(id, config);
      const probe = await resolveProbe(next.probe, data, await tokenizerOf(data, config.dataset));
      if (own) await own.setProbe(next, probe);
      else await writeJson(runFile.config(directory), next);
      return { tokens: probe.kind === 'tokens' ? probe.tokens.length : null };
    },

    async sample({ id, prompt, length, weights = 'float32', temperature = 0.8, topK = 0, topP = 1, seed = 1 }) {
      const { run, directory, step, data, model: spec } = await checkpoint(id);
      const tokenizer = await tokenizerOf(data, run.config.dataset);
      if (!tokenizer) throw new SluiceError({ code: 'INPUT_INVALID', message: `run ${run.id} ${doing[run.config.task.kind]}; only a language model continues a text`, where: run.id });
      const tokens = prompt === '' ? Uint32Array.from(await samplePrompt({ ...run.config.probe, text: null }, data, tokenizer)) : encodeAt(tokenizer, prompt, 'prompt');
      const model = await loadModel(directory, spec);
      if (weights === 'bfloat16') model.storeWeights();
      const generated = await model.sample({ prompt: tokens, length, temperature, topK, topP, seed });
      return { text: tokenizer.decode(generated), checkpoint: step, seed };
    },

    async forecast({ id, split = 'test', window = 0, at = null }) {
      const { run, directory, step, data, model: spec } = await checkpoint(id);
      if (data.kind !== 'series' || run.config.task.kind !== 'forecast') {
        throw new SluiceError({ code: 'INPUT_INVALID', message: `run ${run.id} ${doing[run.config.task.kind]}; it does not forecast`, where: run.id });
      }
      const table = await datasets.values(run.config.dataset);
      const place = findWindow(data, table, { split, window, at });
      const model = await loadModel(directory, spec);
      const hasValidation = data.windows.validation.some(([from, to]) => to > from);
      const quantiles = hasValidation ? await residuals(directory, run.config, data) : null;
      return forecastWindow(model, data, table, run.config.task.targets, place, quantiles, step);
    },

    async record({ id, input, out, gradients = false }) {
      // Asked first: a long trace that has nowhere to go is work for nothing.
      const place = await outputPlace(out);
      const { run, directory, step, data, model: spec } = await checkpoint(id);
      const { layers } = run.config.model;
      const describing = { format: 'sluice-trace/1', run: run.id, step: String(step), cells: JSON.stringify(layers.map((layer) => layer.cell)), options: JSON.stringify(layers.map((layer) => layer.options)) };
      const write = async (bytes: Uint8Array) => {
        const file = withMetadata(bytes, describing);
        await writeAtomic(place, file);
        return { path: out, checkpoint: step, tensors: readSafetensors(file).entries.map(({ name, shape }) => ({ name, shape })) };
      };
      if (data.kind === 'sequences') {
        if (!('split' in input)) throw new SluiceError({ code: 'INPUT_INVALID', message: 'this run traces a sequence of its dataset: choose one by --split and --window', where: 'input' });
        const number = sequenceNumber(data, input.split, input.window, 'window', 'INPUT_INVALID');
        return write(await (await loadModel(directory, spec)).traceSequence(data, number, gradients));
      }
      const tokenizer = await tokenizerOf(data, run.config.dataset);
      const model = await loadModel(directory, spec);
      let request: { time: number; tokens: Uint32Array | null; series: Float32Array | null; target: Float32Array | null };
      if (tokenizer && data.kind === 'tokens') {
        if (!('text' in input) && !('file' in input)) {
          throw new SluiceError({ code: 'INPUT_INVALID', message: 'a language model traces a text: give one with --text or --input', where: 'input' });
        }
        const text = 'text' in input ? input.text : await datasets.readText(input.file);
        const tokens = encodeAt(tokenizer, text, 'text' in input ? 'text' : input.file);
        if (tokens.length === 0) throw new SluiceError({ code: 'FILE_EMPTY', message: 'there is no text to trace', where: 'text' in input ? 'text' : input.file });
        request = { time: tokens.length, tokens, series: null, target: null };
      } else if (data.kind === 'series' && run.config.task.kind === 'forecast') {
        request = { tokens: null, ...(await seriesToTrace(datasets, run.config.dataset, [...run.config.task.targets, ...run.config.task.covariates], data, input)) };
      } else {
        throw new SluiceError({ code: 'INTERNAL', message: 'data and task of a run differ' });
      }
      if (gradients && request.tokens === null && request.target === null) {
        throw new SluiceError({ code: 'INPUT_INVALID', message: 'gradients need the values that came after the lookback; trace a window of the dataset', where: 'input' });
      }
      const bytes = await model.trace({ ...request, batch: 1, gradients });
      return write(bytes);
    },

    async predict({ id, split = 'test', offset = 0, limit = 200 }) {
      const { run, directory, step, data, model: spec } = await checkpoint(id);
      if (data.kind !== 'sequences' || data.content.kind !== 'values' || run.config.task.kind !== 'regress') {
        throw new SluiceError({ code: 'INPUT_INVALID', message: `run ${run.id} ${doing[run.config.task.kind]}; only one that learns values from sequences predicts them`, where: run.id });
      }
      const [start, end] = data.split[split];
      const first = Math.min(end, start + offset);
      const page = await datasets.page({ id: run.config.dataset, offset: first, limit: Math.max(1, Math.min(limit, end - first)) });
      const rows = page.kind === 'sequences' ? page.sequences.filter(({ number }) => number >= first && number < end) : [];
      const sequences = await predictSequences(await loadModel(directory, spec), data.content, rows);
      return { targets: run.config.task.targets, total: end - start, sequences: sequences.map((sequence) => ({ ...sequence, number: sequence.number - start })), checkpoint: step };
    },

    async weights({ run: given, as, checkpoint: which = 'best', out }) {
      const { run, directory, step, data, model } = await checkpoint(given, which);
      const tokenizer = await tokenizerOf(data, run.config.dataset);
      const { task } = run.config;
      const series = data.kind === 'series' && task.kind === 'forecast' ? { columns: [...task.targets, ...task.covariates], ...data.scaler } : null;
      return writeWeights({ run: run.id, step, directory, config: run.config, model, vocabulary: tokenizer?.vocabulary ?? null, series, as, out }, ports.engine);
    },

    async evaluate({ id, split = 'test' }) {
      const { run, directory, step, data } = await checkpoint(id);
      const metrics = await ports.engine.evaluate({ config: run.config, data, threads: evaluationThreads(run.config) }, directory, split);
      return { metrics, checkpoint: step };
    },

    async datasetRenamed(from, to) {
      for (const id of await runIds(workspace)) {
        const directory = workspace.run(id);
        const config = await readConfig(directory).catch(() => null);
        if (config?.dataset === from) await writeJson(runFile.config(directory), { ...config, dataset: to });
      }
      ports.events.emit({ type: 'runsChanged' });
    },

    onFrame(listener) {
      frameListeners.add(listener);
      return () => frameListeners.delete(listener);
    },
    takeFrame: (run) => active.get(run)?.takeFrame() ?? null,
    setLive(run, live) {
      if (live) watched.add(run);
      else watched.delete(run);
      active.get(run)?.setLive(live);
    },

    async shutdown() {
      closing = true;
      await Promise.all([...active.values()].map((run) => run.interrupt()));
    },
  };
}
