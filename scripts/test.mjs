// npm test [-- --only=types,lint,rust,unit,window]: sets up what is missing and runs everything.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { provideDisplay } from './lib/display.mjs';
import { runtimeEnvironment } from './lib/electron-runtime.mjs';
import { findRust } from './lib/native.mjs';
import { root } from './lib/paths.mjs';
import { tool } from './lib/process.mjs';
import { SetupError, main, say } from './lib/say.mjs';
import { countCargo, countPlaywright, countVitest } from './lib/test-counts.mjs';
import { setUpWindow } from './setup.mjs';

/**
 * @typedef {object} Stage
 * @property {string} name
 * @property {string} says what it checks, for its line
 * @property {string} command
 * @property {string[]} args
 * @property {NodeJS.ProcessEnv} env
 * @property {((output: string) => import('./lib/test-counts.mjs').Counts)} [count] absent: the stage is one check
 */

const results = path.join(root, 'test-results');
const stageLimitMs = 45 * 60_000;
const node = process.execPath;

/** Runs a stage, its output kept in test-results. @param {Stage} stage @param {string} log @returns {Promise<{ status: number, output: string }>} */
function execute(stage, log) {
  return new Promise((resolve) => {
    const file = fs.createWriteStream(log);
    const child = spawn(stage.command, stage.args, {
      cwd: root,
      env: { ...process.env, FORCE_COLOR: '0', ...stage.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: stageLimitMs,
      killSignal: 'SIGKILL',
    });
    let output = '';
    /** @param {Buffer} chunk */
    const keep = (chunk) => {
      output += chunk.toString();
      file.write(chunk);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', (error) => {
      file.end();
      resolve({ status: 1, output: output + error.message });
    });
    child.on('close', (status) => {
      file.end();
      resolve({ status: status ?? 1, output });
    });
  });
}

/** @param {string} file @param {(report: string) => import('./lib/test-counts.mjs').Counts} count */
const fromReport = (file, count) => () =>
  fs.existsSync(file) ? count(fs.readFileSync(file, 'utf8')) : { passed: 0, failed: 1, skipped: 0 };

await main(async () => {
  const only = process.argv.find((argument) => argument.startsWith('--only='))?.slice('--only='.length).split(',');
  const runtime = await setUpWindow({ display: true });
  const rust = findRust();
  fs.mkdirSync(results, { recursive: true });
  const vitestReport = path.join(results, 'unit.json');
  const playwrightReport = path.join(results, 'window.json');
  for (const report of [vitestReport, playwrightReport]) fs.rmSync(report, { force: true });
  const display = await provideDisplay();
  const windowEnvironment = { ...runtimeEnvironment(runtime), ...display.env };

  /** @type {Stage[]} */
  const stages = [
    { name: 'types', says: 'types of every room', command: node, args: [tool('vue-tsc/bin/vue-tsc.js'), '-b'], env: {} },
    { name: 'lint', says: 'lint and import fences', command: node, args: [tool('eslint/bin/eslint.js'), '.', '--max-warnings', '0'], env: {} },
    {
      name: 'rust',
      says: 'engine (cargo)',
      command: 'cargo',
      args: ['test', '--release', '--manifest-path', 'engine/native/Cargo.toml', '-p', 'sluice-core'],
      env: rust,
      count: countCargo,
    },
    {
      name: 'unit',
      says: 'units, integration, crashes (vitest)',
      command: node,
      args: [tool('vitest/vitest.mjs'), 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${vitestReport}`],
      env: windowEnvironment,
      count: fromReport(vitestReport, countVitest),
    },
    {
      name: 'window',
      says: 'real window (playwright)',
      command: node,
      args: [tool('@playwright/test/cli.js'), 'test', '--reporter=list,json'],
      env: { ...windowEnvironment, PLAYWRIGHT_JSON_OUTPUT_NAME: playwrightReport },
      count: fromReport(playwrightReport, countPlaywright),
    },
  ];
  for (const name of only ?? []) {
    if (!stages.some((stage) => stage.name === name)) throw new SetupError(`there is no test stage "${name}": ${stages.map((stage) => stage.name).join(', ')}`);
  }

  const total = { passed: 0, failed: 0 };
  try {
    for (const stage of stages.filter(({ name }) => !only || only.includes(name))) {
      const log = path.join(results, `${stage.name}.log`);
      const start = performance.now();
      const { status, output } = await execute(stage, log);
      const counts = stage.count ? stage.count(output) : { passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1, skipped: 0 };
      // A tool that failed without a failed test (it could not build, it crashed) is a failure all the same.
      if (status !== 0 && counts.failed === 0) counts.failed = 1;
      total.passed += counts.passed;
      total.failed += counts.failed;
      if (counts.failed > 0) say(output.split('\n').slice(-120).join('\n'));
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : '';
      console.log(`${counts.failed === 0 ? 'ok  ' : 'FAIL'} ${stage.name.padEnd(7)} ${stage.says}: ${counts.passed} passed, ${counts.failed} failed${skipped} (${seconds} s)`);
    }
  } finally {
    display.stop();
  }
  console.log(`${total.passed} passed, ${total.failed} failed`);
  return total.failed === 0 ? 0 : 1;
});
