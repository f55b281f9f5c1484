import { defineStore } from 'pinia';
import { shallowReactive, triggerRef, shallowRef, type ShallowRef } from 'vue';
import { engine } from '../bridge';
import { addEvent, curvesFromRecords, emptyCurves, type RunCurves } from './curves';
import { useTraces } from './traces';

/**
 * Metrics of runs for lists and charts. The columns live outside deep reactivity; a change triggers the
 * run's reference once, at most ten times a second (the rate of step events).
 */
export const useRunCurves = defineStore('runCurves', () => {
  const held = shallowReactive(new Map<string, ShallowRef<RunCurves>>());
  const loads = new Map<string, Promise<void>>();

  /** Curves of a run; empty until they are read. Reading them starts the loading. */
  function of(id: string): RunCurves {
    const found = held.get(id);
    if (found) return found.value;
    queueMicrotask(() => void load(id));
    return emptyCurves();
  }

  /** Reads everything recorded, once; `again` replaces what is held (events of a live run are thinned, the file is not). */
  function load(id: string, dataset: string | null = null, again = false): Promise<void> {
    const running = loads.get(id);
    if (running && !again) return running;
    const loading = read(id, dataset).catch(() => {
      loads.delete(id);
    });
    loads.set(id, loading);
    return loading;
  }

  async function read(id: string, dataset: string | null): Promise<void> {
    const records = await engine.call('runs.metrics', { id });
    const hasSamples = records.some((record) => record.kind === 'sample');
    const owner = hasSamples ? (dataset ?? (await engine.call('runs.get', { id })).dataset) : null;
    const vocabulary = owner ? await useTraces().vocabularyOf(owner).catch(() => []) : [];
    set(id, curvesFromRecords(records, (tokens) => tokens.map((token) => vocabulary[token] ?? '�').join('')));
  }

  function set(id: string, curves: RunCurves): void {
    const found = held.get(id);
    if (found) found.value = curves;
    else held.set(id, shallowRef(curves));
  }

  engine.on((event) => {
    if (event.type !== 'run') return;
    const { run } = event.event;
    const found = held.get(run);
    if (event.event.event === 'finished') {
      void load(run, null, true);
      return;
    }
    if (!found) {
      if (event.event.event === 'started') void load(run);
      return;
    }
    if (addEvent(found.value, event.event)) triggerRef(found);
  });

  function forget(id: string): void {
    held.delete(id);
    loads.delete(id);
  }

  return { of, load, forget };
});
