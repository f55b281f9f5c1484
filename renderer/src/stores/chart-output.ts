import type { ChartFile } from '../charts/save';
import { t } from '../locales';
import { useShell } from './shell';
import { useToasts } from './toasts';

/** Where charts go: a place the user picks, or the clipboard as a picture or as values. */
export function useChartOutput() {
  const shell = useShell();
  const toasts = useToasts();
  const attempt = (work: () => Promise<unknown>) => toasts.attempt('chart.output', work);
  return {
    saveChart: (file: ChartFile) => attempt(() => shell.saveFile(file.suggestedName, file.data)),
    copyPicture: (file: ChartFile) =>
      attempt(async () => {
        if (typeof file.data === 'string') throw new TypeError('A picture on the clipboard is a PNG');
        await shell.copyPicture(file.data);
        toasts.show(t('charts.pictureCopied'), { tone: 'ok' });
      }),
    copyValues: (text: string) =>
      attempt(async () => {
        await shell.copyText(text);
        toasts.show(t('charts.valuesCopied'), { tone: 'ok' });
      }),
  };
}
