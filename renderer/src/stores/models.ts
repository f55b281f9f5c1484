import { defineStore } from 'pinia';
import { computed, ref, shallowRef } from 'vue';
import type { ExportReport, ExportRequest } from '../../../engine/contracts';
import { t } from '../locales';
import { useJobs } from './jobs';
import { useUndo } from './undo';
import { useWorkbench } from './workbench';

/** Exported ONNX files of the workspace and files opened from elsewhere. */
export const useModels = defineStore('models', () => {
  const list = shallowRef<ExportReport[]>([]);
  const loaded = ref(false);
  const selectedId = ref<string | null>(null);
  /** Paths of ONNX files from elsewhere, newest first; opened in this session. */
  const opened = ref<string[]>([]);
  /** The run whose export dialog is open. */
  const exporting = ref<string | null>(null);

  const selected = computed(() => list.value.find((report) => report.id === selectedId.value) ?? null);

  function start(): void {
    useWorkbench().on((event) => {
      if (event.type === 'exportsChanged') void refresh().catch(() => undefined);
    });
  }

  async function refresh(): Promise<void> {
    list.value = await useWorkbench().call('exports.list', {});
    loaded.value = true;
    const isKnown = selected.value !== null || opened.value.includes(selectedId.value ?? '');
    if (!isKnown) selectedId.value = list.value.at(0)?.id ?? null;
  }

  function open(path: string): void {
    opened.value = [path, ...opened.value.filter((other) => other !== path)];
    selectedId.value = path;
  }

  function close(path: string): void {
    opened.value = opened.value.filter((other) => other !== path);
    if (selectedId.value === path) selectedId.value = list.value.at(0)?.id ?? null;
  }

  /** Writes, checks and compares the file; the report says how it went. */
  async function create(request: Pick<ExportRequest, 'run'> & Partial<ExportRequest>): Promise<ExportReport> {
    const report = await useJobs().run('export', `${request.name ?? request.run}.onnx`, (job) => useWorkbench().call('exports.create', { job, request }));
    await refresh();
    selectedId.value = report.id;
    return report;
  }

  async function remove(id: string): Promise<void> {
    const name = list.value.find((report) => report.id === id)?.path.split(/[\\/]/).pop() ?? id;
    let { trashed } = await useWorkbench().call('exports.delete', { id });
    await refresh();
    useUndo().record(
      {
        label: () => t('shell.edits.deleted', { name }),
        undo: async () => {
          await useWorkbench().call('exports.restore', { trashed });
          await refresh();
          selectedId.value = id;
        },
        redo: async () => {
          ({ trashed } = await useWorkbench().call('exports.delete', { id }));
          await refresh();
        },
      },
      { toast: true },
    );
  }

  return { list, loaded, selectedId, selected, opened, exporting, start, refresh, open, close, create, remove };
});
