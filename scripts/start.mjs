// npm start: sets up what is missing and opens the window.
import { hasDisplay } from './lib/display.mjs';
import { runtimeEnvironment } from './lib/electron-runtime.mjs';
import { root } from './lib/paths.mjs';
import { run } from './lib/process.mjs';
import { sandboxSwitches } from './lib/sandbox.mjs';
import { SetupError, main } from './lib/say.mjs';
import { setUpWindow } from './setup.mjs';

await main(async () => {
  const runtime = await setUpWindow();
  if (!hasDisplay()) {
    throw new SetupError('there is no display (DISPLAY and WAYLAND_DISPLAY are empty); without one, use the command line: npm run -s sluice -- --help');
  }
  // The window takes over signals of the terminal (Ctrl-C): it checkpoints a running training before it ends.
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) process.on(signal, () => {});
  return run(runtime.executable, [root, ...sandboxSwitches(runtime.executable), ...process.argv.slice(2)], {
    env: runtimeEnvironment(runtime),
    cwd: process.env.INIT_CWD ?? process.cwd(),
  });
});
