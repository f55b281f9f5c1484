import { useCommands, type Command } from '../stores/commands';
import { useLog } from '../stores/log';
import { useSession } from '../stores/session';
import { useSettings } from '../stores/settings';
import { useShell } from '../stores/shell';
import { useToasts } from '../stores/toasts';
import { stepLabel, useUndo } from '../stores/undo';
import { t } from '../locales';

/** What the frame itself can do, whichever screen is open. */
export function shellCommands(): Command[] {
  const commands = useCommands();
  const session = useSession();
  const settings = useSettings();
  const undo = useUndo();
  const log = useLog();
  const screens: Command[] = session.screens.map((screen) => ({
    id: `screen.${screen.id}`,
    title: 'shell.goTo',
    values: () => ({ screen: t(screen.title) }),
    keys: screen.order === null ? 'Mod+,' : String(screen.order),
    run: () => session.open(screen.id),
  }));
  const themes: Command[] = (['light', 'dark', 'system'] as const).map((theme) => ({
    id: `theme.${theme}`,
    title: `settings.themeCommand.${theme}`,
    when: () => settings.current.theme !== theme,
    run: () => settings.change({ theme }),
  }));
  const motions: Command[] = (['system', 'off'] as const).map((motion) => ({
    id: `motion.${motion}`,
    title: `settings.motionCommand.${motion}`,
    when: () => settings.current.motion !== motion,
    run: () => settings.change({ motion }),
  }));
  const languages: Command[] = (['en', 'ko'] as const).map((language) => ({
    id: `language.${language}`,
    title: `settings.languageCommand.${language}`,
    when: () => settings.language !== language,
    run: () => settings.change({ language }),
  }));
  return [
    { id: 'palette', title: 'shell.search', keys: 'Mod+K', run: () => void (commands.paletteOpen = true) },
    ...screens,
    { id: 'undo', title: 'shell.undoCommand', keys: 'Mod+Z', values: () => ({ what: undo.next ? stepLabel(undo.next) : '' }), when: () => undo.next !== null, run: () => undo.undo() },
    { id: 'redo', title: 'shell.redoCommand', keys: 'Mod+Shift+Z', values: () => ({ what: undo.nextRedo ? stepLabel(undo.nextRedo) : '' }), when: () => undo.nextRedo !== null, run: () => undo.redo() },
    { id: 'log', title: 'shell.toggleLog', keys: 'Mod+J', run: () => void (log.open = !log.open) },
    {
      id: 'diagnostics',
      title: 'shell.copyDiagnostics',
      run: async () => {
        await useShell().copyText(await log.diagnostics());
        useToasts().show(t('shell.diagnosticsCopied'), { tone: 'ok' });
      },
    },
    { id: 'engine.restart', title: 'shell.restartEngine', run: () => useShell().restartEngine() },
    ...themes,
    ...motions,
    ...languages,
  ];
}
