// npm run dev: the window with hot reload of the page; main process and engine host restart when they change.
import { runtimeEnvironment } from './lib/electron-runtime.mjs';
import { run, tool } from './lib/process.mjs';
import { sandboxSwitches } from './lib/sandbox.mjs';
import { main } from './lib/say.mjs';
import { setUpWindow } from './setup.mjs';

await main(async () => {
  const runtime = await setUpWindow({ parts: [] });
  const switches = sandboxSwitches(runtime.executable);
  return run(process.execPath, [tool('electron-vite/bin/electron-vite.js'), 'dev', '--watch', ...(switches.length > 0 ? ['--noSandbox'] : [])], {
    env: runtimeEnvironment(runtime),
  });
});
