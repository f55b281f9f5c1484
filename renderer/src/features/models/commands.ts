import { t } from '../../locales';
import type { Command } from '../../stores/commands';
import { useModels } from '../../stores/models';
import { useRuns } from '../../stores/runs';
import { useSession } from '../../stores/session';
import { useShell } from '../../stores/shell';
import { useToasts } from '../../stores/toasts';
import { fileName } from './report';

/** Asks for ONNX files and shows the first. */
export async function openFiles(): Promise<void> {
  const paths = await useShell().pickFiles('onnx');
  for (const path of [...paths].reverse()) useModels().open(path);
  if (paths.length > 0) useSession().open('models');
}

/** The run an export begins with: the chosen one, else the newest that has a checkpoint. */
export function exportableRun(): string | null {
  const runs = useRuns();
  const chosen = runs.selected;
  if (chosen?.lastCheckpoint != null) return chosen.id;
  return runs.list.find(({ lastCheckpoint }) => lastCheckpoint !== null)?.id ?? null;
}

export function startExport(): void {
  useModels().exporting = exportableRun();
}

export async function saveAs(): Promise<void> {
  const report = useModels().selected;
  if (!report) return;
  const path = await useShell().saveCopy(report.path, fileName(report.path));
  if (path !== null) useToasts().show(t('models.saved'), { tone: 'ok', text: path });
}

export async function copyProgram(language: 'python' | 'javascript'): Promise<void> {
  const report = useModels().selected;
  if (!report) return;
  await useShell().copyText(report.snippets[language]);
  useToasts().show(t('models.use.copied'), { tone: 'ok' });
}

export function modelCommands(): Command[] {
  const models = useModels();
  const hasReport = (): boolean => models.selected !== null;
  return [
    { id: 'models.export', title: 'models.commands.export', blocked: () => (exportableRun() === null ? t('models.noRun') : null), run: startExport },
    { id: 'models.open', title: 'models.commands.open', run: openFiles },
    { id: 'models.saveAs', title: 'models.commands.saveAs', keys: 'Mod+S', screen: 'models', when: hasReport, run: saveAs },
    { id: 'models.copySnippet', title: 'models.commands.copySnippet', screen: 'models', when: hasReport, run: () => copyProgram('python') },
    { id: 'models.remove', title: 'models.commands.remove', keys: 'Delete', screen: 'models', when: hasReport, run: () => models.remove(models.selected!.id) },
  ];
}
