import { onActivated, onDeactivated, onMounted, ref, shallowRef, watch, computed, type Ref } from 'vue';
import type { RunDetails, RunSummary } from '../../../../engine/contracts';
import { useRuns } from '../../stores/runs';
import { useSettings } from '../../stores/settings';
import { meanOpenness } from '../../stores/trace-view';
import { useTraces } from '../../stores/traces';
import { useWorkbench } from '../../stores/workbench';

/** What the paddles of a diagram follow: the gates of one layer of one run, at one step. */
export interface Openness {
  run: string;
  step: number;
  gates: Record<string, number>;
}

/** The run whose gates say something about a draft of this dataset: the one that trains, the chosen one, the newest. */
export function runToFollow(list: readonly RunSummary[], active: RunSummary | null, selected: RunSummary | null, dataset: string): RunSummary | null {
  const fits = (run: RunSummary | null) => (run?.dataset === dataset ? run : null);
  return fits(active) ?? fits(selected) ?? list.find((run) => run.dataset === dataset) ?? null;
}

/**
 * Mean openness of the gates of the layer at hand, live while a run of the dataset trains, else of the last recorded
 * step; null where no trace has such a layer. Without motion it stays as it was first seen.
 */
export function useOpenness(dataset: Ref<string | null>, layer: Ref<{ index: number; cell: string | null }>) {
  const runs = useRuns();
  const settings = useSettings();
  const traces = useTraces();
  const isShown = ref(false);
  onMounted(() => (isShown.value = true));
  onActivated(() => (isShown.value = true));
  onDeactivated(() => (isShown.value = false));

  const run = computed(() => (dataset.value === null ? null : runToFollow(runs.list, runs.active, runs.selected, dataset.value)));
  const details = shallowRef<RunDetails | null>(null);
  watch(
    () => [run.value?.id ?? null, run.value?.state, isShown.value] as const,
    async ([id, , shown]) => {
      if (!shown) return;
      if (id === null) details.value = null;
      else if (runs.details?.id === id) details.value = runs.details;
      else {
        const found = await useWorkbench().call('runs.get', { id }).catch(() => null);
        if (run.value?.id === id) details.value = found;
      }
    },
    { immediate: true },
  );
  watch([details, isShown], ([found, shown]) => void traces.look('model', shown ? found : null), { immediate: true });

  const openness = shallowRef<Openness | null>(null);
  let followed = '';
  watch(
    () => [traces.view, run.value?.id, run.value?.name, layer.value.index, layer.value.cell, isShown.value] as const,
    ([view, id, name, index, cell, shown]) => {
      if (!shown) return;
      const found = view && view.run === id ? view.layers.find((one) => one.index === index && !one.reverse && one.cell === cell) : undefined;
      if (!view || !found) {
        openness.value = null;
        followed = '';
        return;
      }
      const key = `${id}/${index}`;
      if (!settings.motion && key === followed) return;
      followed = key;
      openness.value = { run: name ?? id!, step: view.step, gates: meanOpenness(found) };
    },
    { immediate: true },
  );
  return openness;
}
