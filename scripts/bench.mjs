// npm run bench [-- FILE]: training and inference speed of the engine, by default at the shapes of scripts/bench.json.
import path from 'node:path';
import { root } from './lib/paths.mjs';
import { run } from './lib/process.mjs';
import { main } from './lib/say.mjs';
import { setUpEngine } from './setup.mjs';

await main(async () => {
  await setUpEngine();
  const given = process.argv.slice(2);
  const args = given.length > 0 ? given : [path.join(root, 'scripts/bench.json')];
  return run(process.execPath, [path.join(root, 'out/main/cli.js'), 'bench', ...args], { cwd: process.env.INIT_CWD ?? process.cwd() });
});
