import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { float32Tensor, readSafetensors } from '../../engine/contracts';
import { runCli, samples, succeed, temporaryFolder, type Line } from '../kit/cli';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let workspace: string;
let trained: Line[];
const prompt = 'ROMEO: what light';

beforeAll(async () => {
  folder = await temporaryFolder();
  workspace = join(folder.path, 'workspace');
  const text = (await readFile(join(samples, 'tinyshakespeare/tinyshakespeare.txt'), 'utf8')).slice(0, 60_000);
  await writeFile(join(folder.path, 'play.txt'), text);
});
afterAll(() => folder.remove());

describe('a text, from the file to the verified ONNX file', () => {
  it('imports a file named relative to the folder it was typed in', async () => {
    const line = await succeed(['import', 'play.txt', '--task', 'language-model', '--name', 'play'], workspace, { cwd: folder.path });
    expect(line).toMatchObject({ dataset: 'play', tokens: 60_000, split: { train: [0, 54_000], validation: [54_000, 57_000], test: [57_000, 60_000] } });
    expect(line['warnings']).toEqual(expect.any(Array));
    expect(line).toHaveProperty('columns');
  });

  it('trains, saying how it goes in JSON lines, and learns', async () => {
    const result = await runCli(
      ['train', '--preset', 'char-lstm', '--dataset', 'play', '--name', 'small', '--set', 'training.maxSteps=120', '--set', 'model.layers.0.hiddenSize=48', '--set', 'model.layers.1.cell=gru', '--set', 'model.layers.1.hiddenSize=32', '--set', 'evaluation.everySteps=40', '--set', 'training.batchSize=16'],
      workspace,
    );
    expect(result.status).toBe(0);
    trained = result.lines;
    const events = trained.map((line) => line.event);
    for (const event of ['started', 'step', 'evaluated', 'sample', 'checkpoint', 'trace', 'finished']) expect(events).toContain(event);
    expect(trained.every((line) => line['run'] === 'small')).toBe(true);
    expect(trained[0]).toMatchObject({ event: 'started', step: 0, resumed: false });
    const validation = trained.filter((line) => line.event === 'evaluated' && line['split'] === 'validation').map((line) => (line['metrics'] as { bitsPerCharacter: number }).bitsPerCharacter);
    expect(validation.length).toBeGreaterThanOrEqual(3);
    // Drawing characters by their frequency alone costs about 4.8 bits.
    expect(validation.at(-1)).toBeLessThan(4);
    expect(result.last).toMatchObject({ event: 'finished', run: 'small', status: 'finished', steps: 120 });
    const metrics = result.last['metrics'] as Record<string, { bitsPerCharacter: number; loss: number }>;
    for (const split of ['train', 'validation', 'test']) expect(metrics[split]?.bitsPerCharacter).toBeCloseTo((metrics[split]?.loss ?? 0) / Math.LN2, 6);
    expect(result.last['tokensPerSecond']).toBeGreaterThan(0);
  });

  it('evaluates the best checkpoint to what the training said of it', async () => {
    const finished = trained.at(-1)?.['metrics'] as Record<string, { loss: number }>;
    const line = await succeed(['evaluate', 'small', '--split', 'test'], workspace);
    expect((line['metrics'] as { loss: number }).loss).toBeCloseTo(finished['test']?.loss ?? NaN, 9);
  });

  it('samples the same text from the same seed and another from another', async () => {
    const draw = async (seed: string) => (await succeed(['sample', 'small', '--prompt', prompt, '--length', '60', '--temperature', '0.8', '--top-k', '20', '--top-p', '0.95', '--seed', seed], workspace))['text'] as string;
    const first = await draw('3');
    expect([...first]).toHaveLength(60);
    expect(await draw('3')).toBe(first);
    expect(await draw('4')).not.toBe(first);
  });

  it('writes with weights stored as bfloat16, the same text again', async () => {
    const write = async () => (await succeed(['sample', 'small', '--prompt', prompt, '--length', '40', '--temperature', '0', '--weights', 'bfloat16'], workspace))['text'] as string;
    const first = await write();
    expect([...first]).toHaveLength(40);
    expect(await write()).toBe(first);
  });

  it('exports, and the file gives in ONNX Runtime what the engine traced', async () => {
    const onnx = join(folder.path, 'small.onnx');
    const exported = await succeed(['export', 'small', '--out', onnx], workspace);
    expect(exported).toMatchObject({ path: onnx, opset: 17, verification: { passed: true } });
    expect(exported['inputs']).toEqual([{ name: 'tokens', type: 'int64', shape: ['batch', 'time'] }]);
    await writeFile(join(folder.path, 'prompt.txt'), prompt);
    const inferred = await succeed(['infer', onnx, '--input', join(folder.path, 'prompt.txt')], workspace);
    expect(inferred['provider']).toBe('cpu');
    expect(inferred['milliseconds']).toBeGreaterThan(0);
    const { shape, data } = (inferred['outputs'] as Record<string, { shape: number[]; data: number[] }>)['logits'] ?? { shape: [], data: [] };

    const path = join(folder.path, 'trace.safetensors');
    const traced = await succeed(['trace', 'small', '--text', prompt, '--out', path, '--gradients'], workspace);
    const names = (traced['tensors'] as { name: string }[]).map((tensor) => tensor.name);
    for (const name of ['l0.i', 'l0.f', 'l0.g', 'l0.o', 'l0.c', 'l0.h', 'l1.r', 'l1.z', 'l1.n', 'l1.h', 'grad.l0.c', 'grad.l1.h', 'input', 'output']) expect(names).toContain(name);
    const file = readSafetensors(new Uint8Array(await readFile(path)));
    expect(file.metadata).toMatchObject({ format: 'sluice-trace/1', run: 'small', cells: '["lstm","gru"]' });
    const engine = float32Tensor(file, 'output');
    expect(engine?.shape).toEqual(shape);
    data.forEach((value, index) => expect(Math.abs(value - (engine?.data[index] ?? NaN))).toBeLessThanOrEqual(1e-5 + 1e-5 * Math.abs(value)));
    // A gate is open between 0 and 1, and not everywhere alike.
    const gate = [...(float32Tensor(file, 'l0.f')?.data ?? [])];
    expect(Math.min(...gate)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...gate)).toBeLessThanOrEqual(1);
    expect(Math.max(...gate) - Math.min(...gate)).toBeGreaterThan(0.1);
  });

  it('trains the same bits again, whatever the number of threads', async () => {
    const hash = async (name: string, threads: string) => {
      await succeed(['train', '--preset', 'char-lstm', '--dataset', 'play', '--name', name, '--set', 'training.maxSteps=12', '--set', 'model.layers.0.hiddenSize=24', '--set', 'model.layers.1.hiddenSize=24', '--set', `training.threads=${threads}`, '--set', 'model.layers.0.dropout=0.2'], workspace);
      return readFile(join(workspace, 'runs', name, 'checkpoints', 'step-12', 'model.safetensors'));
    };
    expect((await hash('one-thread', '1')).equals(await hash('two-threads', '2'))).toBe(true);
  });
});
