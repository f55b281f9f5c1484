import { defineStore } from 'pinia';
import { computed, ref, shallowRef } from 'vue';
import type { CellInfo, MethodOutput, ModelDescription, PresetName, RunConfig } from '../../../engine/contracts';
import { t } from '../locales';
import { useDatasets } from './datasets';
import { useRuns } from './runs';
import { useSession } from './session';
import { useSettings } from './settings';
import { addLayer, fieldKey, moveLayer, removeLayer, setAt } from './stack';
import { useUndo } from './undo';
import { useWorkbench } from './workbench';

export type ConfigProblem = ModelDescription['problems'][number];

/** Pause after an edit before the engine is asked what the stack comes to. */
const describeAfterMs = 90;

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
  /** `embedding`, `head`, or a layer's index. */
  const selected = ref<number | 'embedding' | 'head'>(0);
  const kept = new Map<string, { preset: PresetName; base: RunConfig; draft: RunConfig }>();
  let dataset: string | null | undefined;
  let turn = 0;
  let timer: ReturnType<typeof setTimeout> | null = null;

  const changed = computed(() => JSON.stringify(draft.value) !== JSON.stringify(base.value));
  const problems = computed<ConfigProblem[]>(() => description.value?.problems ?? []);
  const layer = computed(() => (typeof selected.value === 'number' ? (draft.value?.model.layers[selected.value] ?? null) : null));
  const cell = computed<CellInfo | null>(() => cells.value.find((info) => info.name === layer.value?.cell) ?? null);

  function problemAt(path: string): ConfigProblem | null {
    return problems.value.find((problem) => problem.path === path) ?? null;
  }

  /** Brings up the draft of the chosen dataset, a preset's configuration where there is none yet. */
  async function load(): Promise<void> {
    const datasets = useDatasets();
    const next = datasets.selectedId;
    if (next === dataset && draft.value) return describeSoon();
    remember();
    dataset = next;
    if (!cells.value.length) cells.value = await useWorkbench().call('models.cells', {});
    const before = next === null ? undefined : kept.get(next);
    if (before) {
      preset.value = before.preset;
      base.value = before.base;
      draft.value = before.draft;
      describeSoon();
      return;
    }
    const first = datasets.selected?.kind === 'table' ? 'forecast-lstm' : 'char-lstm';
    const answer = await useWorkbench().call('models.preset', { preset: first, dataset: next });
    if (dataset !== next) return;
    take(answer);
  }

  function remember(): void {
    if (dataset && preset.value && base.value && draft.value) kept.set(dataset, { preset: preset.value, base: base.value, draft: draft.value });
  }

  function take(answer: MethodOutput<'models.preset'>): void {
    presets.value = answer.presets;
    preset.value = answer.preset;
    base.value = answer.config;
    draft.value = answer.config;
    selected.value = 0;
    describeSoon();
  }

  /** Starts over from a preset, fitted to the dataset. Can be undone. */
  async function choosePreset(name: PresetName): Promise<void> {
    const before = { preset: preset.value, base: base.value, draft: draft.value };
    const answer = await useWorkbench().call('models.preset', { preset: name, dataset: useDatasets().selectedId });
    take(answer);
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
      selected.value = typeof at === 'number' ? Math.min(at, value.model.layers.length - 1) : at;
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
    if (timer) clearTimeout(timer);
    timer = setTimeout(() => void describe(), describeAfterMs);
  }

  async function describe(): Promise<void> {
    timer = null;
    if (!draft.value) return;
    const mine = ++turn;
    describing.value = true;
    try {
      const answer = await useWorkbench().call('models.describe', { config: draft.value });
      // A later edit has its own answer under way.
      if (mine === turn) {
        description.value = answer.description;
        if (answer.description.blocks.length || !shown.value) shown.value = answer.description;
      }
    } finally {
      if (mine === turn) describing.value = false;
    }
  }

  /** Why Train cannot start now, in words, or null. */
  const blocked = computed<string | null>(() => {
    if (!useDatasets().selectedId) return t('model.blocked.dataset');
    if (!draft.value) return t('model.blocked.loading');
    if (problems.value.length) return t('model.blocked.problems', { n: problems.value.length });
    return null;
  });

  /** Starts a run of the draft, shows it on the Train screen and returns its id. */
  async function train(): Promise<string | null> {
    await load();
    if (timer) {
      clearTimeout(timer);
      await describe();
    }
    if (!draft.value || blocked.value) return null;
    const threads = draft.value.training.threads ?? useSettings().current.threads;
    const config: RunConfig = { ...draft.value, training: { ...draft.value.training, threads } };
    const run = await useRuns().start(config);
    useSession().open('train');
    return run;
  }

  return {
    cells, presets, preset, draft, description, shown, describing, selected, changed, problems, layer, cell, blocked,
    problemAt, load, choosePreset, forget, set, insertLayer, deleteLayer, shiftLayer, train,
  };
});
