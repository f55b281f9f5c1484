import { ref } from 'vue';
import { t } from '../../locales';
import type { Command } from '../../stores/commands';
import { useDatasets } from '../../stores/datasets';
import { useSession } from '../../stores/session';
import { useShell } from '../../stores/shell';

/** Which dialog of this screen is open, besides the import of an offered file. */
export const openDialog = ref<'paste' | 'samples' | 'generate' | null>(null);
/** Text that came by Ctrl/Cmd+V, shown before it is imported. */
export const pastedText = ref('');
/** The dataset whose name is being edited in the list. */
export const renaming = ref<string | null>(null);

export async function openFile(): Promise<void> {
  const [path] = await useShell().pickFiles('dataset');
  if (path === undefined) return;
  useDatasets().offered = path;
  useSession().open('data');
}

export function openPaste(text = ''): void {
  pastedText.value = text;
  openDialog.value = 'paste';
}

/** The dialog with what lies on the clipboard; empty where its text cannot be had. */
export async function pasteNow(): Promise<void> {
  openPaste(await useShell().readText().catch(() => ''));
}

export function dataCommands(): Command[] {
  const datasets = useDatasets();
  const chosen = () => datasets.selected !== null;
  return [
    { id: 'data.import', title: 'data.commands.import', keys: 'Mod+O', words: 'data.empty.open', run: openFile },
    { id: 'data.paste', title: 'data.commands.paste', words: 'data.empty.paste', run: pasteNow },
    { id: 'data.samples', title: 'data.commands.samples', words: 'data.samples.title', run: () => void (openDialog.value = 'samples') },
    { id: 'data.generate', title: 'sequences.generate.command', words: 'sequences.generate.hint', run: () => void (openDialog.value = 'generate') },
    { id: 'data.chooseModel', title: 'data.commands.chooseModel', blocked: () => (chosen() ? null : t('data.empty.title')), run: () => useSession().open('model') },
    { id: 'data.rename', title: 'data.commands.rename', keys: 'F2', screen: 'data', when: chosen, run: () => void (renaming.value = datasets.selectedId) },
    { id: 'data.remove', title: 'data.commands.remove', keys: 'Delete', screen: 'data', when: chosen, run: () => datasets.remove(datasets.selected!.id) },
  ];
}
