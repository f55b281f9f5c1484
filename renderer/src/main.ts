import '../../engine/contracts/no-eval';
import './styles';
import { createPinia } from 'pinia';
import { createApp } from 'vue';
import App from './App.vue';
import { i18n } from './locales';
import { preloadScreens, screens } from './screens';
import { shellCommands } from './shell/commands';
import { listenToKeys } from './shell/keyboard';
import { useCommands } from './stores/commands';
import { useDatasets } from './stores/datasets';
import { useJobs } from './stores/jobs';
import { keyLabel } from './stores/keys';
import { useLog } from './stores/log';
import { useModels } from './stores/models';
import { useRuns } from './stores/runs';
import { useSession } from './stores/session';
import { useSettings } from './stores/settings';
import { useShell } from './stores/shell';
import { useToasts } from './stores/toasts';
import { useWorkbench } from './stores/workbench';
import { keyLabelOf } from './ui/key-label';

const app = createApp(App);
app.use(createPinia());
app.use(i18n);
app.provide(keyLabelOf, (keys) => keyLabel(keys, useShell().platform));

const log = useLog();
app.config.errorHandler = (error) => {
  log.write('error', error instanceof Error ? (error.stack ?? error.message) : String(error));
};

async function start(): Promise<void> {
  const settings = useSettings();
  settings.apply();
  // Theme and language are known before the first frame; a shell that does not answer must not hide the window.
  await settings.load().catch((error: unknown) => log.write('error', String(error)));

  const session = useSession();
  const commands = useCommands();
  session.screens = screens;
  session.suggest(screens[0]?.id ?? 'data');
  commands.register(shellCommands());
  for (const screen of screens) commands.register((screen.commands?.() ?? []).map((command) => ({ screen: screen.id, ...command })));

  for (const store of [useJobs(), useDatasets(), useModels()]) store.start();
  useRuns().listen();
  log.start();
  listenToKeys();
  useShell().onMenuCommand((command) => void commands.run(command));
  void useShell().start().catch((error: unknown) => log.write('error', String(error)));
  useWorkbench().start(() => {
    const report = (error: unknown) => void useToasts().fail(error);
    void useDatasets().refresh().catch(report);
    void useRuns()
      .refresh()
      .then(() => {
        // Whoever left while a run trained finds it again.
        if (useRuns().active) session.suggest('train');
        useToasts().engineReturned();
      })
      .catch(report);
    void useModels().refresh().catch(report);
  });

  app.mount('#app');
  requestIdleCallback(preloadScreens);
}

void start();
