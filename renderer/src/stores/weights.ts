import { until } from '@vueuse/core';
import { defineStore } from 'pinia';
import { computed, ref, shallowRef } from 'vue';
import type { ErrorShape, WeightsKind, WeightsReport, WeightsSource } from '../../../engine/contracts';
import { useArchitecture } from './architecture';
import { useDatasets } from './datasets';
import { errorShape } from './error-shape';
import { useShell } from './shell';
import { useWorkbench } from './workbench';

/** A file of weights that the next run is to start from: what it holds, how it fits the draft, and the start itself. */
export const useWeights = defineStore('weights', () => {
  /** Null while no file is chosen: the dialog is closed. */
  const source = shallowRef<WeightsSource | null>(null);
  const report = shallowRef<WeightsReport | null>(null);
  const error = shallowRef<ErrorShape | null>(null);
  const busy = ref(false);
  const fits = computed(() => report.value !== null && report.value.problems.length === 0);
  let asked = 0;

  /** Asks for a file and reads it; the draft of the chosen dataset is the model it is laid over. */
  async function pick(): Promise<void> {
    await useArchitecture().load();
    // A dataset that was chosen this moment may still be on its way into the draft.
    await until(() => useArchitecture().draft?.dataset === useDatasets().selectedId).toBe(true);
    const [path] = await useShell().pickFiles('weights');
    if (path === undefined) return;
    source.value = { path, from: null, vocabulary: null };
    report.value = null;
    await read();
  }

  async function read(): Promise<void> {
    const config = useArchitecture().draft;
    if (!source.value || !config) return;
    const question = (asked += 1);
    busy.value = true;
    error.value = null;
    try {
      const answer = await useWorkbench().call('models.weights', { source: source.value, config });
      if (question === asked) report.value = answer;
    } catch (failed) {
      if (question !== asked) return;
      report.value = null;
      error.value = errorShape(failed);
    } finally {
      if (question === asked) busy.value = false;
    }
  }

  async function readAs(from: WeightsKind | null): Promise<void> {
    if (source.value) source.value = { ...source.value, from };
    await read();
  }

  /** Takes the layers that the file holds into the draft, and looks again. */
  async function takeModel(): Promise<void> {
    const proposed = report.value?.proposed;
    if (!proposed) return;
    useArchitecture().takeModel(proposed.model);
    await read();
  }

  /** Starts the run; `isReady` measures the weights and trains nothing. */
  async function start(isReady: boolean): Promise<void> {
    if (!source.value) return;
    busy.value = true;
    error.value = null;
    try {
      if ((await useArchitecture().train({ weights: source.value, isReady })) !== null) close();
    } catch (failed) {
      error.value = errorShape(failed);
    } finally {
      busy.value = false;
    }
  }

  function close(): void {
    asked += 1;
    source.value = null;
    report.value = null;
    error.value = null;
    busy.value = false;
  }

  return { source, report, error, busy, fits, pick, readAs, takeModel, start, close };
});
