import { defineStore } from 'pinia';
import { computed, ref, shallowRef, watch } from 'vue';
import type { CellInfo, ForecastResult, RunDetails } from '../../../engine/contracts';
import { errorShape, frames } from '../bridge';
import { orderByIndex, orderByLikeness, orderByResponse, type UnitOrder } from '../charts/order';
import type { Ruler } from '../charts/signals';
import { t } from '../locales';
import { useDatasets } from './datasets';
import { attentionKey, decodeTrace, drawnState, type TraceLayer, type TraceView } from './trace-view';
import { useWorkbench } from './workbench';

/** Recorded traces kept after they were shown, so that dragging the scrubber back and forth reads each once. */
const cachedTraces = 24;
/** A live order follows the training, but not so often that units never stand still. */
const orderEveryMs = 4000;

/** Gates and states of one run: the live frame, or one of the recorded steps. Typed arrays stay outside reactivity. */
export const useTraces = defineStore('traces', () => {
  const workbench = useWorkbench();
  const run = shallowRef<RunDetails | null>(null);
  const view = shallowRef<TraceView | null>(null);
  const recorded = shallowRef<number[]>([]);
  /** True while new frames replace what is drawn; false while a recorded step is held. */
  const isLive = ref(true);
  /** Recorded step being read, null when what is drawn is what was asked for. */
  const loading = ref<number | null>(null);
  const problem = ref<string | null>(null);
  const layerKey = ref('l0');
  const orderKind = ref<UnitOrder>('likeness');
  const order = shallowRef<Uint32Array>(new Uint32Array(0));
  const unit = ref(0);
  const cursor = ref(0);
  const rowHeight = ref(3);
  const cells = shallowRef<CellInfo[]>([]);
  const vocabulary = shallowRef<string[]>([]);
  /** Lookback, truth and naive baselines of the probed window in raw values (forecast runs). */
  const probeForecast = shallowRef<ForecastResult | null>(null);

  const layer = computed<TraceLayer | null>(() => view.value?.layers.find((one) => one.key === layerKey.value) ?? view.value?.layers[0] ?? null);
  const ruler = computed<Ruler>(() => rulerOf(view.value, vocabulary.value, probeForecast.value, run.value));

  const cache = new Map<number, TraceView>();
  let orderedAt = 0;
  let orderedFor = '';
  let unitChosenFor = '';
  /** The run's last checkpoint when its forecast was last asked for; null where there was none or no answer came. */
  let forecastOf: number | null = null;

  /** Sorts the units anew where the layer, the kind or the trace asks for it. */
  function reorder(force: boolean): void {
    const current = layer.value;
    if (!current || !view.value) return;
    const key = `${view.value.run}/${current.key}/${current.units}/${orderKind.value}`;
    const now = performance.now();
    if (!force && key === orderedFor && now - orderedAt < orderEveryMs) return;
    if (!force && key === orderedFor && orderKind.value === 'index') return;
    const { time } = view.value;
    // A layer seen for the first time opens at the unit that moves most, since that one has something to show.
    const place = `${view.value.run}/${current.key}/${current.units}`;
    if (place !== unitChosenFor) {
      unitChosenFor = place;
      unit.value = orderByResponse(drawnState(current), time, current.units)[0] ?? 0;
    }
    orderedFor = key;
    orderedAt = now;
    // States that are looked at stand in the order of time, whatever is asked of units.
    if (orderKind.value === 'index' || current.key === attentionKey) order.value = orderByIndex(current.units);
    else order.value = (orderKind.value === 'likeness' ? orderByLikeness : orderByResponse)(drawnState(current), time, current.units);
  }

  function show(next: TraceView): void {
    const isFirst = view.value === null || view.value.run !== next.run;
    view.value = next;
    problem.value = null;
    if (isFirst && cursor.value === 0) cursor.value = Math.min(next.time >> 1, 40);
    cursor.value = Math.min(cursor.value, next.time - 1);
    reorder(isFirst);
  }

  watch([layerKey, orderKind], () => reorder(true));

  frames.onFrame((frame) => {
    if (!isLive.value || frame.run !== run.value?.id) return;
    try {
      show(decodeTrace(frame.bytes, cells.value));
    } catch (error) {
      problem.value = error instanceof Error ? error.message : String(error);
    }
  });

  /** Whoever shows gates says of which run, and null when it is out of sight; the one that came last is served. */
  const looking = new Map<string, RunDetails>();
  function look(viewer: string, details: RunDetails | null): Promise<void> {
    if (details === null && !looking.has(viewer)) return Promise.resolve();
    looking.delete(viewer);
    if (details) looking.set(viewer, details);
    return open([...looking.values()].at(-1) ?? null);
  }

  /** Shows the gates of this run: live while it trains, else its newest recorded step. */
  async function open(details: RunDetails | null): Promise<void> {
    const isOther = details?.id !== run.value?.id;
    run.value = details;
    frames.watch(details && isTraining(details) ? details.id : null);
    if (isOther) {
      view.value = null;
      cache.clear();
      problem.value = null;
      probeForecast.value = null;
      forecastOf = null;
      isLive.value = true;
      loading.value = null;
      layerKey.value = 'l0';
    }
    recorded.value = details?.traceSteps ?? [];
    if (!details) return;
    // Here, since only a run that is open has a place for it: a pane that asks earlier is not answered.
    if (details.lastCheckpoint !== forecastOf) void readForecast();
    if (cells.value.length === 0) cells.value = await workbench.call('models.cells', {}).catch(() => []);
    if (details.taskKind === 'language-model') {
      const tokens = await useDatasets().vocabulary(details.dataset).catch(() => []);
      if (run.value?.id === details.id) vocabulary.value = tokens;
    }
    if (details.taskKind === 'label') {
      const dataset = useDatasets().list.find(({ id }) => id === details.dataset);
      vocabulary.value = dataset?.kind === 'sequences' ? dataset.symbols : [];
    }
    const newest = details.traceSteps[details.traceSteps.length - 1];
    if (run.value?.id === details.id && isLive.value && newest !== undefined && (!isTraining(details) || view.value === null)) await read(newest);
  }

  /** Reads a recorded step and draws it, unless another one was asked for meanwhile. */
  async function read(step: number): Promise<void> {
    const id = run.value?.id;
    if (!id) return;
    loading.value = step;
    try {
      let found = cache.get(step);
      if (!found) {
        found = decodeTrace(await workbench.call('runs.trace', { id, step }), cells.value);
        cache.set(step, found);
        if (cache.size > cachedTraces) cache.delete(cache.keys().next().value!);
      }
      if (run.value?.id === id && loading.value === step) show(found);
    } catch (error) {
      if (run.value?.id === id && loading.value === step) problem.value = errorShape(error).message;
    } finally {
      if (loading.value === step) loading.value = null;
    }
  }

  /** Holds a recorded step; live frames wait until `showLive`. */
  function showStep(step: number): Promise<void> {
    isLive.value = false;
    return read(step);
  }

  function showLive(): void {
    isLive.value = true;
    loading.value = null;
    const newest = recorded.value[recorded.value.length - 1];
    if (run.value && !isTraining(run.value) && newest !== undefined) void read(newest);
  }

  /** Lookback, truth and baselines of the probed window; a run without a checkpoint has none yet. */
  async function readForecast(): Promise<void> {
    const details = run.value;
    if (!details || details.taskKind !== 'forecast') return;
    forecastOf = details.lastCheckpoint;
    const { split, window } = details.config.probe;
    const result = await workbench.call('runs.forecast', { id: details.id, split, window }).catch(() => null);
    if (run.value?.id !== details.id) return;
    if (result) probeForecast.value = result;
    else forecastOf = null;
  }

  workbench.on((event) => {
    if (event.type !== 'run' || event.event.run !== run.value?.id) return;
    if (event.event.event === 'trace') {
      const { step } = event.event;
      if (recorded.value[recorded.value.length - 1] !== step) recorded.value = [...recorded.value.filter((one) => one < step), step];
      if (isLive.value && view.value === null) void read(step);
    } else if (event.event.event === 'checkpoint') {
      void readForecast();
    }
  });

  return {
    run, view, layer, recorded, isLive, loading, problem, layerKey, orderKind, order, unit, cursor, rowHeight, ruler, vocabulary, probeForecast,
    look, showStep, showLive, readForecast, reorder,
  };
});

function isTraining(details: RunDetails): boolean {
  return details.state === 'running' || details.state === 'paused' || details.state === 'queued';
}

/** What stands under the plates: the probe's characters, or its series (raw where known, else as the model gets it). */
function rulerOf(view: TraceView | null, vocabulary: readonly string[], forecast: ForecastResult | null, run: RunDetails | null): Ruler {
  if (!view) return { kind: 'text', texts: [] };
  if (view.tokens) return { kind: 'text', texts: Array.from(view.tokens, (token) => vocabulary[token] ?? '�') };
  const target = forecast?.targets[0];
  if (target && target.lookback.length === view.time) {
    return { kind: 'series', name: target.name, values: target.lookback.map((value) => value ?? NaN), times: forecast!.times?.slice(0, view.time) ?? null };
  }
  const { size, values } = view.series ?? { size: 1, values: new Float32Array(0) };
  const task = run?.config.task;
  if (task?.kind === 'binary-vectors') {
    // Of a vector: how many of its entries are 1.
    const counts = Float32Array.from({ length: view.time }, (_, step) => values.subarray(step * size, (step + 1) * size).reduce((sum, value) => sum + value, 0));
    return { kind: 'series', name: t('sequences.train.notesOn'), values: counts, times: null };
  }
  const name = task?.kind === 'forecast' ? task.targets[0]! : task?.kind === 'regress' ? task.inputs[0]! : 'x';
  return { kind: 'series', name, values: Float32Array.from({ length: view.time }, (_, step) => values[step * size] ?? NaN), times: null };
}
