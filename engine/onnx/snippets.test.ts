import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { exportBench, forecastModel, languageModel, layer, vocabulary, type Trained } from '../../tests/kit/export-bench';

const run = promisify(execFile);
const python = process.env['SLUICE_PYTHON'];
if (!python) console.info('Python snippets: skipped, SLUICE_PYTHON names no Python with onnxruntime.');

let close = (): Promise<void> => Promise.resolve();
afterEach(() => close());

async function exported(trained: Trained, stateful: boolean) {
  const bench = await exportBench(trained);
  close = () => bench.close();
  const report = await bench.service.create({ run: 'run-1', stateful }, bench.job);
  return { ...bench, report };
}

async function execute(language: 'javascript' | 'python', path: string, program: string): Promise<string> {
  const file = join(dirname(path), language === 'javascript' ? 'example.mjs' : 'example.py');
  await writeFile(file, program);
  const { stdout } = await run(language === 'javascript' ? process.execPath : python!, [file], { cwd: dirname(path), encoding: 'utf8', env: { ...process.env, PYTHONIOENCODING: 'utf-8' } });
  return stdout;
}

const languages = [['javascript', false] as const, ['python', !python] as const];

describe.each(languages)('the %s snippet', (language, skipped) => {
  it.skipIf(skipped).each([false, true])('writes text as it is, and the engine\'s text at temperature 0 (stateful %s)', async (stateful) => {
    const { report, engine } = await exported(languageModel(layer('lstm', 5)), stateful);
    const program = report.snippets[language];
    const text = (await execute(language, report.path, program)).replace(/\r?\n$/, '');
    expect(Array.from(text.replaceAll('<unk>', '?'))).toHaveLength(201);
    const greedy = (await execute(language, report.path, program.replace('temperature = 0.8', 'temperature = 0'))).replace(/\r?\n$/, '');
    const expected = await engine.sample({ prompt: Uint32Array.of(0), length: 200, temperature: 0, topK: 0, topP: 1, seed: 1 });
    expect(greedy).toBe(['\n', ...Array.from(expected, (token) => vocabulary[token])].join(''));
  });

  it.skipIf(skipped).each([false, true])('forecasts the steps after the given rows (stateful %s)', async (stateful) => {
    const { report, service, job } = await exported(forecastModel(false, layer('gru', 3)), stateful);
    const printed = await execute(language, report.path, report.snippets[language]);
    const rows = Array.from({ length: 6 }, () => [1000, -3, 0.5]).flat();
    const { outputs } = await service.infer({ path: report.path, input: { tensors: { series: { shape: [1, 6, 3], data: rows } } } }, job);
    const numbers = printed.trim().split('\n').map((line) => [...line.matchAll(/: (-?[\d.e+-]+)/g)].map(([, value]) => Number(value)));
    expect(numbers).toHaveLength(4);
    numbers.flat().forEach((value, k) => expect(value).toBeCloseTo(outputs['forecast']!.data[k]!, 2));
  });
});

it('the report keeps the snippets that were run', async () => {
  const { report } = await exported(languageModel(layer('gru', 2)), false);
  const kept = JSON.parse(await readFile(`${report.path}.report.json`, 'utf8')) as typeof report;
  expect(kept.snippets.python).toContain('run-1.onnx');
  expect(kept.snippets).toEqual(report.snippets);
});
