import { defineStore } from 'pinia';
import { computed, ref, shallowRef } from 'vue';
import type { Dataset, DatasetChange, DatasetPage, DatasetProfile, FilePreview, GenerateRequest, ImportRequestInput, SampleInfo } from '../../../engine/contracts';
import { language, t } from '../locales';
import { useArchitecture } from './architecture';
import { useJobs } from './jobs';
import { useUndo } from './undo';
import { useWorkbench } from './workbench';

/** Datasets of the workspace: the list, the chosen one, import, change, rename, delete. */
export const useDatasets = defineStore('datasets', () => {
  const list = shallowRef<Dataset[]>([]);
  const loaded = ref(false);
  const samples = shallowRef<SampleInfo[]>([]);
  const selectedId = ref<string | null>(null);
  /** A file that waits to be looked at before its import: dropped on the window, or picked by a command. */
  const offered = ref<string | null>(null);
  const vocabularies = new Map<string, Promise<string[]>>();

  const selected = computed(() => list.value.find((dataset) => dataset.id === selectedId.value) ?? null);

  function start(): void {
    useWorkbench().on((event) => {
      if (event.type === 'datasetsChanged') void refresh().catch(() => undefined);
    });
  }

  async function refresh(): Promise<void> {
    list.value = await useWorkbench().call('datasets.list', {});
    loaded.value = true;
    if (selectedId.value === null || !selected.value) selectedId.value = newest()?.id ?? null;
    vocabularies.clear();
  }

  function newest(): Dataset | null {
    return list.value.reduce<Dataset | null>((best, dataset) => (best && best.createdAt >= dataset.createdAt ? best : dataset), null);
  }

  function select(id: string | null): void {
    selectedId.value = id;
  }

  async function loadSamples(): Promise<SampleInfo[]> {
    if (!samples.value.length) samples.value = await useWorkbench().call('datasets.samples', {});
    return samples.value;
  }

  async function arrived(dataset: Dataset): Promise<Dataset> {
    useArchitecture().forget(dataset.id);
    await refresh();
    selectedId.value = dataset.id;
    return dataset;
  }

  const preview = (request: ImportRequestInput): Promise<FilePreview> => useWorkbench().call('datasets.preview', request);

  async function importFile(request: ImportRequestInput): Promise<Dataset> {
    const title = request.name ?? request.files[0]!.split(/[\\/]/).pop()!;
    return arrived(await useJobs().run('import', title, (job) => useWorkbench().call('datasets.import', { job, request })));
  }

  async function importText(text: string, name: string | null): Promise<Dataset> {
    const title = name ?? t('shell.pastedText');
    return arrived(await useJobs().run('import', title, (job) => useWorkbench().call('datasets.importText', { job, name, text })));
  }

  async function generate(request: GenerateRequest): Promise<Dataset> {
    return arrived(await useJobs().run('import', request.name ?? request.task, (job) => useWorkbench().call('datasets.generate', { job, request })));
  }

  async function importSample(id: string): Promise<Dataset> {
    const sample = (await loadSamples()).find((candidate) => candidate.id === id);
    const title = sample?.title[language()] ?? id;
    return arrived(await useJobs().run('import', title, (job) => useWorkbench().call('datasets.importSample', { job, sample: id })));
  }

  /** Changes task, roles or split. Can be undone where `before` is given. */
  async function change(id: string, next: DatasetChange, before?: DatasetChange): Promise<Dataset> {
    const put = async (value: DatasetChange) => {
      const dataset = await useWorkbench().call('datasets.change', { id, change: value });
      useArchitecture().forget(id);
      await refresh();
      return dataset;
    };
    const dataset = await put(next);
    if (before) useUndo().record({ label: () => t('shell.edits.datasetChanged', { name: id }), undo: async () => void (await put(before)), redo: async () => void (await put(next)) });
    return dataset;
  }

  async function rename(id: string, name: string): Promise<void> {
    const put = async (from: string, to: string) => {
      const dataset = await useWorkbench().call('datasets.rename', { id: from, name: to });
      const wasSelected = selectedId.value === from;
      useArchitecture().forget(from);
      await refresh();
      if (wasSelected) selectedId.value = dataset.id;
    };
    await put(id, name);
    useUndo().record({ label: () => t('shell.edits.renamed', { from: id, to: name }), undo: () => put(name, id), redo: () => put(id, name) });
  }

  async function remove(id: string): Promise<void> {
    let { trashed } = await useWorkbench().call('datasets.delete', { id });
    await refresh();
    useUndo().record(
      {
        label: () => t('shell.edits.deleted', { name: id }),
        undo: async () => {
          await useWorkbench().call('datasets.restore', { trashed });
          await refresh();
          selectedId.value = id;
        },
        redo: async () => {
          ({ trashed } = await useWorkbench().call('datasets.delete', { id }));
          await refresh();
        },
      },
      { toast: true },
    );
  }

  const page = (id: string, offset: number, limit: number): Promise<DatasetPage> => useWorkbench().call('datasets.page', { id, offset, limit });
  const profile = (id: string): Promise<DatasetProfile> => useWorkbench().call('datasets.profile', { id });

  /** Entry `i` is the text of token `i`; read once per dataset. */
  function vocabulary(id: string): Promise<string[]> {
    let words = vocabularies.get(id);
    if (!words) {
      words = useWorkbench().call('datasets.vocabulary', { id }).then((answer) => answer.tokens);
      words.catch(() => vocabularies.delete(id));
      vocabularies.set(id, words);
    }
    return words;
  }

  return {
    list, loaded, samples, selectedId, selected, offered,
    start, refresh, select, loadSamples, preview, importFile, importText, generate, importSample, change, rename, remove, page, profile, vocabulary,
  };
});
