import { defineStore } from 'pinia';
import { computed, ref, shallowRef } from 'vue';
import { cellForm, layerForm, refusedOptions, type CellForm, type CellInfo, type Dataset, type MethodOutput, type ModelDescription, type PresetName, type RunConfig, type TaskKind, type WeightsSource } from '../../../engine/contracts';
import { t } from '../locales';
import { useDatasets } from './datasets';
import { useRuns } from './runs';
import { useSession } from './session';
import { useSettings } from './settings';
import { addLayer, fieldKey, moveLayer, removeLayer, setAt, withCell } from './stack';
import { useUndo } from './undo';
import { useWorkbench } from './workbench';

export type ConfigProblem = ModelDescription['problems'][number];

/** What a dataset begins with on the Model screen. */
export function usualPreset(dataset: Dataset | null): PresetName {
  const presets: Record<TaskKind, PresetName> = { 'language-model': 'char-lstm', forecast: 'forecast-lstm', regress: 'adding-lstm', 'binary-vectors': 'chorales-lstm', label: 'label-lstm' };
  return presets[dataset?.task.kind ?? 'language-model'];
}

/** The stack and settings of the next run: one draft per dataset, described by the engine after every edit. */
export const useArchitecture = defineStore('architecture', () => {
  const cells = shallowRef<CellInfo[]>([]);
  const presets = shallowRef<MethodOutput<'models.preset'>['presets']>([]);
  const preset = ref<PresetName | null>(null);
  const base = shallowRef<RunConfig | null>(null);
  /** May hold values that do not work; the problems say which. */
  const draft = shallowRef<RunConfig | null>(null);
  const description = shallowRef<ModelDescription | null>(null);
  /** The last description that had blocks: shapes stay in sight while a field is wrong. */
  const shown = shallowRef<ModelDescription | null>(null);
  const describing = ref(false);
  /** `embedding`, `attention`, `head`, or a layer's index. */
  const selected = ref<number | 'embedding' | 'attention' | 'head'>(0);
  const kept = new Map<string, { presets: typeof presets.value; preset: PresetName; base: RunConfig; draft: RunConfig; selected: typeof selected.value; description: ModelDescription | null }>();
  /** Whose draft it is; undefined where it no longer fits any. */
  let dataset: string | null | undefined;
  /** The load under way. One that began before it brings nothing any more. */
  let loading: { of: string | null; done: Promise<void> } | null = null;
  let presetsAsked = 0;
  /** The question under way; edits made meanwhile are asked about together, after its answer. */
  let asking: Promise<void> | null = null;
  let askAgain = false;

  const changed = computed(() => JSON.stringify(draft.value) !== JSON.stringify(base.value));
  const problems = computed<ConfigProblem[]>(() => description.value?.problems ?? []);
  const layer = computed(() => (typeof selected.value === 'number' ? (draft.value?.model.layers[selected.value] ?? null) : null));
  const cell = computed<CellForm | null>(() => (layer.value && cellForm(cells.value, layer.value)) ?? null);
  /** What the chosen layer's cell cannot have of the options around it. */
  const refused = computed(() => (layer.value && typeof selected.value === 'number' ? refusedOptions(layerForm(cells.value, layer.value, selected.value)) : {}));

  function problemAt(path: string): ConfigProblem | null {
    return problems.value.find((problem) => problem.path === path) ?? null;
  }

  /** Brings up the draft of the chosen dataset, a preset's configuration where there is none yet. */
  function load(): Promise<void> {
    const next = useDatasets().selectedId;
    if (loading?.of === next) return loading.done;
    loading = null;
    if (next === dataset && draft.value) {
      describeSoon();
      return Promise.resolve();
    }
    const mine = { of: next, done: Promise.resolve() };
    loading = mine;
    // Until the answer is there the old draft stays, and stays that of its own dataset.
    mine.done = bring(next, () => loading === mine).finally(() => {
      if (loading === mine) loading = null;
    });
    return mine.done;
  }

  async function bring(next: string | null, isWanted: () => boolean): Promise<void> {
    if (!cells.value.length) cells.value = await useWorkbench().call('models.cells', {});
    const before = next === null ? undefined : kept.get(next);
    if (before) {
      if (!isWanted()) return;
      remember();
      dataset = next;
      presets.value = before.presets;
      preset.value = before.preset;
      base.value = before.base;
      draft.value = before.draft;
      selected.value = before.selected;
      showDescription(before.description);
      describeSoon();
      return;
    }
    const first = usualPreset(useDatasets().list.find(({ id }) => id === next) ?? null);
    const answer = await useWorkbench().call('models.preset', { preset: first, dataset: next });
    const figures = await describe(answer.config);
    if (!isWanted()) return;
    remember();
    dataset = next;
    take(answer, figures);
  }

  function remember(): void {
    if (!dataset || !preset.value || !base.value || !draft.value) return;
    kept.set(dataset, { presets: presets.value, preset: preset.value, base: base.value, draft: draft.value, selected: selected.value, description: shown.value });
  }

  /** The stack comes with its shapes and figures: a block without them would flash. */
  function take(answer: MethodOutput<'models.preset'>, figures: ModelDescription | null): void {
    presets.value = answer.presets;
    preset.value = answer.preset;
    base.value = answer.config;
    draft.value = answer.config;
    selected.value = 0;
    if (figures) showDescription(figures);
    else describeSoon();
  }

  /** Starts over from a preset, fitted to the dataset. Can be undone. */
  async function choosePreset(name: PresetName): Promise<void> {
    const before = { preset: preset.value, base: base.value, draft: draft.value };
    const [home, turn] = [dataset, ++presetsAsked];
    const answer = await useWorkbench().call('models.preset', { preset: name, dataset: dataset ?? null });
    const figures = await describe(answer.config);
    // Another dataset or preset was chosen meanwhile.
    if (dataset !== home || presetsAsked !== turn) return;
    take(answer, figures);
    const restore = (state: typeof before) => {
      preset.value = state.preset;
      base.value = state.base;
      draft.value = state.draft;
      describeSoon();
    };
    const after = { preset: preset.value, base: base.value, draft: draft.value };
    useUndo().record({ label: () => t('model.edits.preset', { name }), undo: () => restore(before), redo: () => restore(after) });
  }

  /** The dataset was renamed, imported again or got other windows: a kept draft no longer fits it. */
  function forget(id: string): void {
    kept.delete(id);
    if (dataset === id) dataset = undefined;
    if (loading?.of === id) loading = null;
  }

  function edit(label: () => string, next: RunConfig, merge?: string): void {
    const before = draft.value;
    const place = selected.value;
    const home = dataset ?? null;
    if (!before || next === before) return;
    const put = (value: RunConfig, at: typeof place) => {
      // An undo may come after another dataset was chosen: it goes to the draft it belongs to and shows it.
      if (home !== (dataset ?? null)) {
        const entry = home === null ? undefined : kept.get(home);
        if (home === null || !entry) return;
        kept.set(home, { ...entry, draft: value });
        useDatasets().select(home);
        return;
      }
      draft.value = value;
      selected.value = typeof at === 'number' ? Math.min(at, value.model.layers.length - 1) : at === 'attention' && value.model.attention.kind === 'none' ? 'head' : at;
      describeSoon();
    };
    put(next, place);
    const after = selected.value;
    useUndo().record({ label, merge, undo: () => put(before, place), redo: () => put(next, after) });
  }

  /** Sets one field by its path; edits of the same field in a row are one step of undo. */
  function set(path: string, value: unknown): void {
    if (draft.value) edit(() => t('model.edits.field', { field: t(fieldKey(path)) }), setAt(draft.value, path, value), path);
  }

  /** Another cell for a layer, with its own options as usual. */
  function setCell(index: number, cell: string): void {
    if (draft.value) edit(() => t('model.edits.field', { field: t('model.fields.cell') }), withCell(draft.value, index, cell), `model.layers.${index}.cell`);
  }

  function insertLayer(index: number): void {
    if (!draft.value) return;
    edit(() => t('model.edits.added', { n: index + 1 }), addLayer(draft.value, index));
    selected.value = Math.min(index, draft.value.model.layers.length - 1);
  }

  function deleteLayer(index: number): void {
    if (draft.value) edit(() => t('model.edits.removed', { n: index + 1 }), removeLayer(draft.value, index));
  }

  function shiftLayer(from: number, to: number): void {
    if (!draft.value) return;
    const next = moveLayer(draft.value, from, to);
    if (next === draft.value) return;
    edit(() => t('model.edits.moved', { n: from + 1 }), next);
    selected.value = Math.max(0, Math.min(to, next.model.layers.length - 1));
  }

  function describeSoon(): void {
    if (asking) askAgain = true;
    else asking = describeDraft();
  }

  async function describeDraft(): Promise<void> {
    describing.value = true;
    do {
      askAgain = false;
      if (!draft.value) break;
      const answer = await describe(draft.value);
      // An edit made meanwhile has its own answer to come.
      if (!askAgain) showDescription(answer);
    } while (askAgain);
    describing.value = false;
    asking = null;
  }

  /** Null where the engine gives no answer: the last figures stay, and it is asked again with the next edit. */
  async function describe(config: RunConfig): Promise<ModelDescription | null> {
    const answer = await useWorkbench().call('models.describe', { config }).catch(() => null);
    return answer?.description ?? null;
  }

  function showDescription(next: ModelDescription | null): void {
    if (!next) return;
    description.value = next;
    if (next.blocks.length || !shown.value) shown.value = next;
  }

  /** Why Train cannot start now, in words, or null. */
  const blocked = computed<string | null>(() => {
    if (!useDatasets().selectedId) return t('model.blocked.dataset');
    if (!draft.value) return t('model.blocked.loading');
    if (problems.value.length) return t('model.blocked.problems', { n: problems.value.length });
    return null;
  });

  /** Takes the model that a file of weights holds. Can be undone. */
  function takeModel(model: RunConfig['model']): void {
    if (draft.value) edit(() => t('weights.taken'), { ...draft.value, model });
  }

  /** Starts a run of the draft, shows it on the Train screen and returns its id. `isReady`: weights are measured, not trained. */
  async function train(start: { weights: WeightsSource; isReady: boolean } | null = null): Promise<string | null> {
    await load();
    if (asking) await asking;
    if (!draft.value || blocked.value) return null;
    const threads = draft.value.training.threads ?? useSettings().current.threads;
    const config: RunConfig = { ...draft.value, training: { ...draft.value.training, threads, ...(start?.isReady && { maxSteps: 0 }) } };
    const run = await useRuns().start(config, start?.weights ?? null);
    useSession().open('train');
    return run;
  }

  return {
    cells, presets, preset, draft, description, shown, describing, selected, changed, problems, layer, cell, refused, blocked,
    problemAt, load, choosePreset, forget, set, setCell, insertLayer, deleteLayer, shiftLayer, takeModel, train,
  };
});
