// npm run bench: the engine's speed at the shapes of scripts/bench/shapes.json as a table; in turns with PyTorch and ONNX
// Runtime where SLUICE_PYTHON names a Python that has them. npm run bench -- FILE measures the shapes of another file,
// such as scripts/bench/bfloat16.json: the same with products or stored weights in bfloat16.
import { readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { openServer } from './bench/server.mjs';
import { inTurns } from './bench/turns.mjs';
import { markdown } from './bench/table.mjs';
import { root } from './lib/paths.mjs';
import { main, say } from './lib/say.mjs';
import { setUpEngine } from './setup.mjs';

const usage = `npm run bench -- [FILE] [--only char128,etth1] [--cells lstm,gru] [--threads 1,2] [--rounds 6] [--seconds 1]`;

await main(async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      only: { type: 'string' },
      cells: { type: 'string', default: 'lstm,gru' },
      threads: { type: 'string', default: '1,2' },
      rounds: { type: 'string', default: '6' },
      seconds: { type: 'string', default: '1' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    say(usage);
    return 0;
  }
  await setUpEngine();
  const file = positionals[0] ? path.resolve(process.env.INIT_CWD ?? process.cwd(), positionals[0]) : path.join(root, 'scripts/bench/shapes.json');
  /** @type {import('./bench/turns.mjs').Shape[]} */
  const shapes = JSON.parse(await readFile(file, 'utf8'));
  const only = values.only?.split(',');
  const python = process.env.SLUICE_PYTHON;
  if (!python) say('SLUICE_PYTHON names no Python with PyTorch and ONNX Runtime: own figures only, no ratios');
  const cases = values.threads
    .split(',')
    .flatMap((threads) => values.cells.split(',').flatMap((cell) => shapes.map((shape) => ({ ...shape, cell: shape.cell ?? cell, threads: Number(threads) }))))
    .filter(({ name }) => !only || only.includes(name));
  const rows = [];
  // A pair of processes per shape: peak memory is then that of the shape alone.
  for (const shape of cases) {
    const sluice = openServer(process.execPath, [path.join(root, 'out/main/cli.js'), 'bench', '--serve']);
    const other = python ? openServer(python, [path.join(root, 'scripts/bench/yardsticks.py')]) : null;
    try {
      rows.push(await inTurns(shape, sluice, other, { rounds: Number(values.rounds), seconds: Number(values.seconds) }));
      say(`${shape.name} ${shape.cell}, ${shape.threads} threads: done`);
    } finally {
      sluice.close();
      other?.close();
    }
  }
  process.stdout.write(`${cpus()[0]?.model ?? 'unknown processor'}\n\n${markdown(rows)}\n`);
  return 0;
});
