import { rename, rm, stat, writeFile } from 'node:fs/promises';
import { webcrypto } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { exportReport, exportRequest, inferRequest, methodInputs, SluiceError, type ExportReport, type InferResult, type OpenedModel, type ProviderInfo } from '../contracts';
import { generateTokens, measureLatency, modelNotes, OnnxRuntime, readFeeds, runtimeVersion, sampler, toNumbers, initialStates, type OnnxSession, type RuntimeTensor } from '../inference';
import type { DatasetService, ExportService, JobContext, Ports, RunService } from '../ports';
import { checkName, ensureFolder, moveToTrash, readJson, restoreFromTrash, syncFolder, temporaryPath, workspacePaths, writeError, writeJson } from '../workspace';
import { attentionOf } from './attention';
import { buildModel, modelMetadata, type BuildRequest } from './build';
import { GraphBuilder } from './graph';
import { choosePlace, extension, namesIn, reportSuffix } from './place';
import { encodeModel } from './proto';
import { readModel } from './reader';
import { examplePrompt, scalingOf, symbolsOf, validationTokens, windowOf } from './run-data';
import { borderOf } from './sequence-border';
import { snippets } from './snippets';
import { pairsOf } from './states';
import { verifyExport } from './verify';
import { exportModel, readWeights } from './weights';

export { onnxGateOrder } from './gate-order';
export { readWeights, type NamedTensor } from './weights';

/**
 * Exports of runs and anything that is done with ONNX files. An export lies in its run's folder
 * (`exports/<name>.onnx`, its report beside it); its id is `<run>/<name>`.
 */
export function createExportService(ports: Ports, datasets: DatasetService, runs: RunService): ExportService & { shutdown(): Promise<void> } {
  const paths = workspacePaths(ports.workspace);
  const runtime = new OnnxRuntime();
  const threads = (): number => Math.max(1, Math.min(4, ports.defaultThreads()));
  const changed = (): void => ports.events.emit({ type: 'exportsChanged' });

  const fileOf = (id: string): { run: string; name: string; path: string } => {
    const [run, name, ...rest] = id.split('/');
    if (!run || !name || rest.length > 0) throw exportNotFound(id);
    return { run, name, path: join(paths.exports(checkName(run)), `${checkName(name)}${extension}`) };
  };

  const find = async (id: string): Promise<ExportReport> => {
    const { run, name, path } = fileOf(id);
    if (!(await isFile(path))) throw exportNotFound(id);
    return { ...(await readJson(exportReport, `${path}.report.json`)), id: `${run}/${name}`, run, path };
  };

  const open = async (path: string, device: 'cpu' | 'cuda'): Promise<{ session: OnnxSession; notes: ReturnType<typeof modelNotes> }> => {
    const { metadata } = await readModel(path);
    const session = await runtime.open(path, { device, threads: threads() });
    if (session.fallbackReason !== null) ports.log('warning', `CUDA was asked for, the CPU runs ${basename(path)}: ${session.fallbackReason}`);
    return { session, notes: modelNotes(metadata) };
  };

  const using = async <Result>(path: string, device: 'cpu' | 'cuda', work: (session: OnnxSession, notes: ReturnType<typeof modelNotes>) => Promise<Result>): Promise<Result> => {
    const { session, notes } = await open(path, device);
    try {
      return await work(session, notes);
    } finally {
      await session.close();
    }
  };

  return {
    async list() {
      const reports: ExportReport[] = [];
      for (const run of await namesIn(paths.runs)) {
        for (const file of await namesIn(paths.exports(run))) {
          if (!file.endsWith(reportSuffix)) continue;
          try {
            reports.push(await find(`${run}/${file.slice(0, -reportSuffix.length)}`));
          } catch (error) {
            ports.log('warning', `The export ${run}/${file} is left out of the list: ${(error as Error).message}`);
          }
        }
      }
      return reports.sort((a, b) => b.createdAt.localeCompare(a.createdAt));
    },

    async create(input, job) {
      const request = exportRequest.parse(input);
      const { run, directory, step, data, model: spec } = await runs.checkpoint(request.run);
      if (request.stateful && attentionOf({ spec }) !== 'none') {
        throw new SluiceError({ code: 'INPUT_INVALID', message: 'A model with attention cannot carry on from states: it would not see what came before them. Export it without carried states.', where: 'stateful' });
      }
      const place = await choosePlace(request, run.id, paths.exports(run.id));
      job.progress({ phase: 'building', share: 0, rate: null, secondsLeft: null });
      const model = exportModel(spec, await readWeights(directory), ports.engine.cells());
      const forecast = data.kind === 'series' ? scalingOf(run.config, data) : null;
      const sequences = data.kind === 'sequences' ? borderOf(run.config, data, await symbolsOf(datasets, run.config.dataset)) : null;
      const vocabulary = data.kind === 'tokens' ? (await datasets.tokenizer(run.config.dataset)).vocabulary : null;
      const build: BuildRequest = {
        model,
        stateful: request.stateful,
        gates: request.gates,
        opset: request.opset,
        forecast,
        sequences,
        producerVersion: ports.engine.version(),
        metadata: modelMetadata({
          task: run.config.task,
          vocabulary,
          forecast,
          sequences,
          pairs: request.stateful ? pairsOf(model) : [],
          run: run.id,
          step,
        }),
      };
      const built = buildModel(build);
      // Only the run's own folder is made.
      if (request.out === null) await ensureFolder(dirname(place.file));
      const temporary = temporaryPath(place.file);
      try {
        await writeFile(temporary, built.bytes, { flush: true, flag: 'wx' });
        const random = await ports.engine.randomModel(spec, 1);
        const verification = await verifyExport({
          runtime,
          threads: threads(),
          path: temporary,
          stateful: request.stateful,
          gates: request.gates,
          model,
          engine: await ports.engine.loadModel(directory, spec),
          forecast,
          sequences,
          tokens: data.kind === 'tokens' ? await validationTokens(data) : null,
          random: { engine: random, model: exportModel(spec, random.tensors(), ports.engine.cells()) },
          build: (weights, stateful, gates) => buildModel({ ...build, model: weights, stateful, gates }).bytes,
          progress: (share) => job.progress({ phase: 'comparing', share, rate: null, secondsLeft: null }),
          throwIfAborted: () => throwIfAborted(job),
        });
        const report: ExportReport = {
          format: 'sluice-export/1',
          id: place.id,
          path: place.path,
          run: run.id,
          step,
          dataset: run.config.dataset,
          task: run.config.task.kind,
          createdAt: ports.clock.now().toISOString(),
          sizeBytes: built.bytes.length,
          sha256: await sha256(built.bytes),
          opset: request.opset,
          stateful: request.stateful,
          gates: request.gates,
          inputs: built.inputs,
          outputs: built.outputs,
          nodes: built.nodes,
          verification,
          snippets: snippets({ file: basename(place.path), task: run.config.task, stateful: request.stateful, prompt: examplePrompt(run.config, vocabulary) }),
        };
        await writeJson(place.report, report);
        await rename(temporary, place.file);
        await syncFolder(dirname(place.file));
        changed();
        return report;
      } catch (error) {
        await rm(temporary, { force: true }).catch(() => undefined);
        if (!(await isFile(place.file))) await rm(place.report, { force: true }).catch(() => undefined);
        throw writeError(error, place.path);
      }
    },

    async delete({ id }) {
      const { name, path } = fileOf(id);
      if (!(await isFile(path))) throw exportNotFound(id);
      const report = `${path}.report.json`;
      const entries = (await isFile(report)) ? [path, report] : [path];
      const trashed = await moveToTrash(paths, { kind: 'export', id: name, paths: entries }, ports.clock.now());
      changed();
      return { trashed };
    },

    async restore({ trashed }) {
      const { paths: entries } = await restoreFromTrash(paths, trashed, 'export');
      changed();
      const path = entries[0]!;
      return { id: `${basename(dirname(dirname(path)))}/${basename(path, extension)}` };
    },

    async open({ path }): Promise<OpenedModel> {
      const model = await readModel(path);
      try {
        const session = await runtime.open(path, { threads: 1 });
        await session.close();
        return { ...model, refusal: null };
      } catch (error) {
        return { ...model, refusal: (error as Error).message };
      }
    },

    async infer(input, job) {
      const { path, input: source, device } = inferRequest.parse(input);
      return using(path, device, async (session, notes): Promise<InferResult> => {
        const feeds = await readFeeds(source, session, notes);
        throwIfAborted(job);
        const { outputs, milliseconds } = await session.run(feeds);
        return { outputs: await plainOutputs(outputs), provider: session.provider, fallbackReason: session.fallbackReason, obstacle: session.obstacle, milliseconds };
      });
    },

    async latency(input, job) {
      const { path, device, time } = methodInputs['exports.latency'].parse(input);
      return using(path, device, (session) => measureLatency(session, time, () => throwIfAborted(job)));
    },

    async sample(input) {
      const { id, prompt, length, device, ...options } = methodInputs['exports.sample'].parse(input);
      const { path, task } = await find(id);
      if (task !== 'language-model') throw new SluiceError({ code: 'INPUT_INVALID', message: task === 'forecast' ? `${id} forecasts; it writes no text.` : `${id} is no language model; it writes no text.`, where: id });
      return using(path, device, async (session, notes) => {
        const vocabulary = notes.vocabulary ?? [];
        const start = prompt === '' ? (vocabulary.includes('\n') ? '\n' : vocabulary[0]!) : prompt;
        const feeds = await readFeeds({ text: start }, session, notes);
        const { tokens, milliseconds } = await generateTokens(session, Array.from(feeds['tokens']!.data as BigInt64Array, Number), notes.states, { length, choose: sampler(options) });
        return { text: tokens.map((token) => vocabulary[token]).join(''), provider: session.provider, fallbackReason: session.fallbackReason, obstacle: session.obstacle, milliseconds };
      });
    },

    async forecast(input) {
      const { id, window, device } = methodInputs['exports.forecast'].parse(input);
      const { path, run, task } = await find(id);
      if (task !== 'forecast') throw new SluiceError({ code: 'INPUT_INVALID', message: task === 'language-model' ? `${id} writes text; it does not forecast.` : `${id} does not forecast.`, where: id });
      // The engine's own forecast of the window brings what came, the baselines and the intervals; the values are the file's.
      const base = await runs.forecast({ id: run, split: 'test', window });
      const { data } = await runs.checkpoint(run);
      if (data.kind !== 'series') throw exportNotFound(id);
      const series = await windowOf(datasets, data, run, base.window, runs);
      return using(path, device, async (session, notes) => {
        const { outputs, milliseconds } = await session.run({ series, ...initialStates(session, notes.states, 1) }, ['forecast']);
        const values = outputs['forecast']!.data as Float32Array;
        const targets = base.targets.map((target, place) => ({
          ...target,
          predictions: target.predictions.map((prediction, step) => ({ ...prediction, value: values[step * base.targets.length + place]! })),
        }));
        return { ...base, targets, provider: session.provider, fallbackReason: session.fallbackReason, obstacle: session.obstacle, milliseconds };
      });
    },

    async providers(): Promise<ProviderInfo> {
      const session = await runtime.open(smallestModel(), { device: 'cuda', threads: 1 });
      await session.close();
      return { runtimeVersion: runtimeVersion(), cpu: true, cuda: session.provider === 'cuda', cudaReason: session.fallbackReason, obstacle: session.obstacle };
    },

    shutdown: () => runtime.dispose(),
  };
}

/** More numbers than this cannot be handed on as JSON; they would fill the memory. */
const mostOutputValues = 10_000_000;

async function plainOutputs(outputs: Record<string, RuntimeTensor>): Promise<InferResult['outputs']> {
  const count = Object.values(outputs).reduce((sum, { data }) => sum + data.length, 0);
  if (count > mostOutputValues) {
    throw new SluiceError({
      code: 'INPUT_INVALID',
      message: `The outputs hold ${count.toLocaleString('en')} values, more than the ${mostOutputValues.toLocaleString('en')} that can be shown. Give a shorter input.`,
      where: 'input',
      details: { count, most: mostOutputValues },
    });
  }
  const plain: InferResult['outputs'] = {};
  for (const [name, tensor] of Object.entries(outputs)) {
    await setImmediate();
    plain[name] = { shape: tensor.shape, data: Array.from(toNumbers(tensor)) };
  }
  return plain;
}

/** A graph that gives back its input: what a provider must at least be able to load. */
function smallestModel(): Uint8Array {
  const g = new GraphBuilder('smallest');
  g.output(g.node('Identity', 'output', [g.input('input', 'float32', [1])]), 'float32', [1]);
  return encodeModel({ irVersion: 8, producerName: 'Sluice', producerVersion: '', graph: g.build(), opsetImport: [{ domain: '', version: 17 }], metadataProps: [] });
}

async function sha256(bytes: Uint8Array): Promise<string> {
  return Buffer.from(await webcrypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>)).toString('hex');
}

function throwIfAborted({ signal }: JobContext): void {
  if (signal.aborted) throw new SluiceError({ code: 'CANCELLED', message: 'The job was cancelled; nothing was kept.' });
}

function exportNotFound(id: string): SluiceError {
  return new SluiceError({ code: 'EXPORT_NOT_FOUND', message: `There is no export ${id}. List the exports to see their names.`, where: id });
}

function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (entry) => entry.isFile(),
    () => false,
  );
}
