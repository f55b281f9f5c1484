// npm run check: types of every room and lint with the import fences.
import { main } from './lib/say.mjs';
import { run, tool } from './lib/process.mjs';
import { setUpEngine } from './setup.mjs';

/** Types of the native addon come with its build; the window and its runtime are not needed. */
await main(async () => {
  await setUpEngine({ parts: [] });
  const types = await run(process.execPath, [tool('vue-tsc/bin/vue-tsc.js'), '-b']);
  const lint = await run(process.execPath, [tool('eslint/bin/eslint.js'), '.', '--max-warnings', '0']);
  return types === 0 && lint === 0 ? 0 : 1;
});
