import { defineStore } from 'pinia';
import { computed, ref, shallowRef, triggerRef, watch } from 'vue';
import type { RunConfig, RunDetails, RunEvent, RunSummary, WeightsSource } from '../../../engine/contracts';
import { t } from '../locales';
import { useDatasets } from './datasets';
import { addRecord, emptyLog, fillSteps, type MetricsLog } from './metrics-log';
import { isUnanswered, type RunRequest } from './run-request';
import { useShell } from './shell';
import { useToasts } from './toasts';
import { useUndo } from './undo';
import { useWorkbench } from './workbench';

/** What a training last said of itself, newer than its entry in the list. */
export interface LiveRun {
  step: number;
  totalSteps: number | null;
  epoch: number;
  loss: number;
  gradientNorm: number;
  learningRate: number;
  tokensPerSecond: number;
  elapsedMs: number;
  secondsLeft: number | null;
}

/** How long missing steps may stay missing in a curve. */
const fillAfterMs = 700;

/** Trainings of the workspace: the list, the chosen one, live numbers, start to delete. */
export const useRuns = defineStore('runs', () => {
  const list = shallowRef<RunSummary[]>([]);
  const loaded = ref(false);
  const selectedId = ref<string | null>(null);
  const details = shallowRef<RunDetails | null>(null);
  const live = shallowRef(new Map<string, LiveRun>());
  /** Counts every change of any metrics log; read it where a log is drawn. */
  const version = ref(0);
  /**
   * The engine died while this run trained; null once it was continued or dismissed. `step` is the last one heard of,
   * `queued` are the runs that waited behind it, in their order.
   */
  const interrupted = ref<{ run: string; step: number; kept: number | null; queued: string[] } | null>(null);
  /** By run: the pause or stop that was asked for, until the run's state says that it came about. */
  const asked = shallowRef(new Map<string, RunRequest>());
  /** When a checkpoint was last written while this window listened. */
  const savedAt = ref<Date | null>(null);
  const logs = new Map<string, MetricsLog>();
  const loading = new Map<string, Promise<MetricsLog>>();
  /** Per run, the last step before the first one that no event told of; filled from the file now and then. */
  const gaps = new Map<string, number>();
  let waiting: RunEvent[] = [];
  let scheduled = false;

  const selected = computed(() => list.value.find((run) => run.id === selectedId.value) ?? null);
  const active = computed(() => list.value.find((run) => run.state === 'running' || run.state === 'paused') ?? null);

  function listen(): void {
    const workbench = useWorkbench();
    workbench.on((event) => {
      if (event.type === 'runsChanged') void refresh().catch(() => undefined);
      else if (event.type === 'run') queueEvent(event.event);
    });
    watch(
      () => useShell().engine.state,
      (state) => {
        const run = active.value;
        if (state !== 'exited' || !run) return;
        const waitingRuns = list.value.filter(({ queuePlace }) => queuePlace !== null).sort((a, b) => a.queuePlace! - b.queuePlace!);
        interrupted.value = { run: run.id, step: live.value.get(run.id)?.step ?? run.step, kept: run.lastCheckpoint, queued: waitingRuns.map(({ id }) => id) };
        live.value.delete(run.id);
        triggerRef(live);
      },
    );
  }

  async function refresh(): Promise<void> {
    list.value = await useWorkbench().call('runs.list', {});
    loaded.value = true;
    if (selectedId.value === null || !selected.value) selectedId.value = (active.value ?? list.value.at(0))?.id ?? null;
    const lost = interrupted.value && list.value.find((run) => run.id === interrupted.value!.run);
    if (interrupted.value && lost) interrupted.value = { ...interrupted.value, kept: lost.lastCheckpoint };
    if (selectedId.value && details.value?.id !== selectedId.value) await loadDetails();
    else if (details.value && selected.value) details.value = { ...details.value, ...selected.value };
  }

  async function loadDetails(): Promise<void> {
    const id = selectedId.value;
    if (!id) {
      details.value = null;
      return;
    }
    const answer = await useWorkbench().call('runs.get', { id });
    if (selectedId.value === id) details.value = answer;
  }

  function select(id: string | null): void {
    if (selectedId.value === id) return;
    selectedId.value = id;
    details.value = null;
    void loadDetails().catch(() => undefined);
  }

  /** Events of one animation frame are taken together: a fast training sends hundreds of steps a second. */
  function queueEvent(event: RunEvent): void {
    waiting.push(event);
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(() => {
      scheduled = false;
      const events = waiting;
      waiting = [];
      for (const one of events) take(one);
      version.value += 1;
      triggerRef(live);
    });
  }

  function take(event: RunEvent): void {
    const log = logs.get(event.run);
    switch (event.event) {
      case 'step': {
        const { event: _name, run, totalSteps, secondsLeft, ...record } = event;
        live.value.set(run, { ...record, totalSteps, secondsLeft });
        if (log) {
          const last = log.steps.at(-1)?.step ?? 0;
          if (record.step > last + 1) noteGap(run, last);
          addRecord(log, { kind: 'step', ...record });
        }
        break;
      }
      case 'evaluated':
        if (log) addRecord(log, { kind: 'evaluation', step: event.step, split: event.split, metrics: event.metrics, best: event.best });
        break;
      case 'sample':
        if (log) addRecord(log, { kind: 'sample', step: event.step, text: event.text });
        break;
      case 'insight':
        if (log) addRecord(log, event.record);
        break;
      case 'changed': {
        const { event: _name, run, totalSteps, ...change } = event;
        if (log) addRecord(log, { kind: 'change', ...change });
        patch(run, { totalSteps });
        const known = live.value.get(run);
        if (known) live.value.set(run, { ...known, totalSteps });
        if (details.value?.id === run) void loadDetails().catch(() => undefined);
        break;
      }
      case 'checkpoint':
        savedAt.value = new Date();
        patch(event.run, { lastCheckpoint: event.step, ...(event.best && { bestStep: event.step }) });
        break;
      case 'trace':
        if (details.value?.id === event.run && details.value.traceSteps.at(-1) !== event.step) details.value = { ...details.value, traceSteps: [...details.value.traceSteps, event.step] };
        break;
      case 'finished':
      case 'failed':
        live.value.delete(event.run);
        // Events are thinned while a run trains; the file has every step.
        if (log) {
          loading.delete(event.run);
          void metrics(event.run).catch(() => undefined);
        }
        // Steps after the last event that told of one are in the file only.
        if (log) noteGap(event.run, log.steps.at(-1)?.step ?? 0);
        if (selectedId.value === event.run) void loadDetails().catch(() => undefined);
        break;
      default:
    }
  }

  function noteGap(id: string, after: number): void {
    if (gaps.has(id)) return;
    gaps.set(id, after);
    setTimeout(() => void fillGap(id).catch(() => undefined), fillAfterMs);
  }

  async function fillGap(id: string): Promise<void> {
    const after = gaps.get(id);
    gaps.delete(id);
    if (after === undefined || !logs.has(id)) return;
    const records = await useWorkbench().call('runs.metrics', { id, after });
    const log = logs.get(id);
    if (!log) return;
    fillSteps(log, records.filter((record) => record.kind === 'step'), after);
    // Of these too a fast training writes more than it tells.
    for (const record of records) if (record.kind === 'movement') addRecord(log, record);
    version.value += 1;
  }

  function patch(id: string, change: Partial<RunSummary>): void {
    list.value = list.value.map((run) => (run.id === id ? { ...run, ...change } : run));
  }

  /** Everything a run said so far; grows in place while it trains, `version` says when. */
  function metrics(id: string): Promise<MetricsLog> {
    let promise = loading.get(id);
    if (!promise) {
      promise = readMetrics(id);
      promise.catch(() => {
        loading.delete(id);
        logs.delete(id);
      });
      loading.set(id, promise);
    }
    return promise;
  }

  async function readMetrics(id: string): Promise<MetricsLog> {
    const log = emptyLog();
    const records = await useWorkbench().call('runs.metrics', { id });
    let words: string[] | null = null;
    for (const record of records) {
      if (record.kind !== 'sample') {
        addRecord(log, record);
        continue;
      }
      const dataset = (list.value.find((run) => run.id === id) ?? details.value)?.dataset;
      words ??= dataset ? await useDatasets().vocabulary(dataset).catch(() => []) : [];
      addRecord(log, { kind: 'sample', step: record.step, text: record.tokens.map((token) => words![token] ?? '\u{fffd}').join('') });
    }
    // Steps that came while the file was read: those after its last one follow.
    logs.set(id, log);
    const last = log.steps.at(-1)?.step ?? -1;
    for (const record of await useWorkbench().call('runs.metrics', { id, after: last })) {
      if (record.kind !== 'sample') addRecord(log, record);
    }
    version.value += 1;
    return log;
  }

  /** The log if it was read already. */
  function knownMetrics(id: string): MetricsLog | null {
    return logs.get(id) ?? null;
  }

  async function start(config: RunConfig, weights: WeightsSource | null = null): Promise<string> {
    const run = await useWorkbench().call('runs.start', { config, name: null, weights });
    await refresh();
    selectedId.value = run.id;
    details.value = run;
    return run.id;
  }

  /** Changes settings of a training; they take effect between two of its steps. */
  async function tune(id: string, set: string[]): Promise<void> {
    await useWorkbench().call('runs.tune', { id, set });
  }

  async function act(method: 'runs.pause' | 'runs.resume' | 'runs.stop', id: string): Promise<void> {
    await useWorkbench().call(method, { id });
    await refresh();
  }

  async function ask(request: RunRequest, id: string): Promise<void> {
    const before = asked.value.get(id);
    if (before === request || before === 'stop') return;
    asked.value = new Map(asked.value).set(id, request);
    try {
      await act(`runs.${request}`, id);
    } catch (error) {
      const others = [...asked.value].filter(([run]) => run !== id);
      asked.value = new Map(before ? [...others, [id, before]] : others);
      throw error;
    }
  }
  watch(list, () => {
    if (asked.value.size > 0) asked.value = new Map([...asked.value].filter(([id, request]) => isUnanswered(request, list.value.find((run) => run.id === id)?.state)));
  }, { flush: 'sync' });

  /** Goes on from the last whole checkpoint; the steps since are computed again, to the same bits. */
  async function continueRun(id: string): Promise<void> {
    const run = await useWorkbench().call('runs.continue', { id });
    if (interrupted.value?.run === id) {
      // The queue that the engine took with it stands behind the run again.
      const { queued } = interrupted.value;
      interrupted.value = null;
      for (const next of queued) await useWorkbench().call('runs.continue', { id: next }).catch((error: unknown) => useToasts().fail(error));
    }
    loading.delete(id);
    logs.delete(id);
    live.value.delete(id);
    await refresh();
    selectedId.value = run.id;
    details.value = run;
    version.value += 1;
  }

  async function rename(id: string, name: string): Promise<void> {
    const before = list.value.find((run) => run.id === id)?.name ?? id;
    const put = async (next: string) => {
      const run = await useWorkbench().call('runs.rename', { id, name: next });
      await refresh();
      if (details.value?.id === run.id) details.value = { ...details.value, name: run.name };
    };
    await put(name);
    useUndo().record({ label: () => t('shell.edits.renamed', { from: before, to: name }), undo: () => put(before), redo: () => put(name) });
  }

  async function remove(id: string): Promise<void> {
    const before = list.value.find((run) => run.id === id);
    const name = before?.name ?? id;
    let { trashed } = await useWorkbench().call('runs.delete', { id });
    if (selectedId.value === id) selectedId.value = null;
    await refresh();
    useUndo().record(
      {
        label: () => t('shell.edits.deleted', { name }),
        undo: async () => {
          await useWorkbench().call('runs.restore', { trashed });
          // What waited in the queue waits again, at its end.
          if (before?.state === 'queued') await useWorkbench().call('runs.continue', { id });
          await refresh();
          select(id);
        },
        redo: async () => {
          ({ trashed } = await useWorkbench().call('runs.delete', { id }));
          await refresh();
        },
      },
      { toast: true },
    );
  }

  return {
    list, loaded, selectedId, selected, details, live, version, interrupted, asked, savedAt, active,
    listen, refresh, loadDetails, select, metrics, knownMetrics, start,
    pause: (id: string) => ask('pause', id),
    resume: (id: string) => act('runs.resume', id),
    stop: (id: string) => ask('stop', id),
    tune, continueRun, rename, remove,
  };
});
