import type { ChartFile } from '../../charts/save';
import { useShell } from '../../stores/shell';
import { useToasts } from '../../stores/toasts';

/** Where charts of this screen go: a place the user picks, or the clipboard. */
export function useSaving() {
  const shell = useShell();
  const toasts = useToasts();
  return {
    async saveChart(file: ChartFile): Promise<void> {
      try {
        await shell.saveFile(file.suggestedName, file.data);
      } catch (error) {
        toasts.fail(error);
      }
    },
    async copyValues(text: string): Promise<void> {
      try {
        await shell.copyText(text);
      } catch (error) {
        toasts.fail(error);
      }
    },
  };
}
