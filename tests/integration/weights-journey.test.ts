import { execFile, spawnSync } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSafetensors } from '../../engine/contracts';
import { runCli, samples, succeed, temporaryFolder, type Line } from '../kit/cli';

/** Weights out to PyTorch and Keras and back in, by the command line. */
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let workspace: string;
const at = (name: string): string => join(folder.path, name);
const small = ['--set', 'model.embeddingSize=12', '--set', 'training.maxSteps=12', '--set', 'training.batchSize=8', '--set', 'evaluation.everySteps=6'];
const lstms = ['--set', 'model.layers.0.hiddenSize=16', '--set', 'model.layers.1.hiddenSize=16'];
const testLoss = (line: Line): number => (line['metrics'] as { test: { loss: number } }).test.loss;
let loss: number;

beforeAll(async () => {
  folder = await temporaryFolder();
  workspace = at('workspace');
  await writeFile(at('play.txt'), (await readFile(join(samples, 'tinyshakespeare/tinyshakespeare.txt'), 'utf8')).slice(0, 30_000));
  await succeed(['import', 'play.txt', '--name', 'play'], workspace, { cwd: folder.path });
  loss = testLoss(await succeed(['train', '--preset', 'char-lstm', '--dataset', 'play', '--name', 'first', ...small, ...lstms], workspace));
});
afterAll(() => folder.remove());

describe('weights of a run', () => {
  it.each([
    ['torch', 'weights.safetensors', 'recurrent.weight_ih_l1', 'recurrent = nn.LSTM(12, 16, num_layers=2, batch_first=True)'],
    ['keras', 'weights.npz', '004.lstm_1.kernel', 'keras.layers.LSTM(16, return_sequences=True)'],
    ['sluice', 'own.safetensors', 'recurrent.weight_ih_l1', null],
  ])('go to %s and come back as a run that measures the same', async (as, file, tensor, module) => {
    const written = await succeed(['weights', 'first', '--out', file, '--as', as], workspace, { cwd: folder.path });
    expect(written).toMatchObject({ event: 'weights', run: 'first', as, checkpoint: 12, path: at(file) });
    expect((written['tensors'] as { name: string }[]).map(({ name }) => name)).toContain(tensor);
    if (module !== null) expect(written['modules']).toContain(module);
    // Neither cells nor sizes are said: the file holds them.
    const imported = await succeed(['import-model', file, '--dataset', 'play', '--name', `back-${as}`], workspace, { cwd: folder.path });
    expect(imported).toMatchObject({ event: 'finished', run: `back-${as}`, status: 'finished', steps: 0 });
    expect(testLoss(imported)).toBeCloseTo(loss, 5);
    const exported = await succeed(['export', `back-${as}`, '--out', at(`${as}.onnx`)], workspace);
    expect(exported['verification']).toMatchObject({ passed: true });
  });

  it('can be those of any checkpoint, and say which there are', async () => {
    for (const which of ['last', '6']) expect(await succeed(['weights', 'first', '--out', at('x.npz'), '--checkpoint', which], workspace)).toMatchObject({ checkpoint: which === 'last' ? 12 : 6 });
    const none = await runCli(['weights', 'first', '--out', at('x.npz'), '--checkpoint', '7'], workspace);
    expect([none.status, none.last['message']]).toEqual([2, expect.stringContaining('those of steps 6, 12')]);
    const form = await runCli(['weights', 'first', '--out', at('x.pt')], workspace);
    expect([form.status, form.last['message']]).toEqual([2, expect.stringContaining('use .safetensors or .npz')]);
  });

  it('carry their vocabulary, so that another order of tokens does no harm', async () => {
    const bytes = await readFile(at('weights.safetensors'));
    const vocabulary = JSON.parse(readSafetensors(bytes).metadata['sluice.vocabulary'] ?? '[]') as string[];
    expect(vocabulary).toContain('e');
    // The same rows said to be other characters: no longer the same model.
    await writeFile(at('turned.json'), JSON.stringify([...vocabulary].reverse()));
    const turned = await succeed(['import-model', at('weights.safetensors'), '--dataset', 'play', '--vocabulary', at('turned.json')], workspace);
    expect(Math.abs(testLoss(turned) - loss)).toBeGreaterThan(0.01);
    await writeFile(at('short.json'), JSON.stringify(vocabulary.slice(1)));
    const short = await runCli(['import-model', at('weights.safetensors'), '--dataset', 'play', '--vocabulary', at('short.json')], workspace);
    expect([short.status, short.last['code']]).toEqual([2, 'WEIGHTS_MISMATCH']);
  });
});

describe('a training that starts from weights', () => {
  it('goes on from there', async () => {
    const result = await runCli(['train', '--preset', 'char-lstm', '--dataset', 'play', '--name', 'tuned', '--weights', at('weights.safetensors'), ...small, ...lstms], workspace);
    expect(result.status).toBe(0);
    expect(testLoss(result.last)).toBeLessThan(loss);
    expect(await readdir(join(workspace, 'runs', 'tuned'))).toContain('initial.safetensors');
  });

  it('is refused in one line where they do not fit, and nothing is left', async () => {
    const before = await readdir(join(workspace, 'runs'));
    const result = await runCli(['train', '--preset', 'char-gru', '--dataset', 'play', '--weights', at('weights.safetensors'), ...small], workspace);
    expect([result.status, result.last['code'], result.last['where']]).toEqual([2, 'WEIGHTS_MISMATCH', at('weights.safetensors')]);
    expect(result.last['message']).toContain("the file's recurrent l0 is lstm [12 → 16]");
    expect(result.last['message']).toContain('The file holds lstm 16 · lstm 16');
    expect(await readdir(join(workspace, 'runs'))).toEqual(before);
    const alone = await runCli(['train', '--preset', 'char-gru', '--dataset', 'play', '--weights-from', 'torch'], workspace);
    expect([alone.status, alone.last['message']]).toEqual([2, expect.stringContaining('--weights FILE')]);
  });
});

const python = process.env['SLUICE_PYTHON'];
const hasTorch = python !== undefined && python !== '' && spawnSync(python, ['-c', 'import torch, safetensors']).status === 0;
const script = `
import sys, json
import torch
from torch import nn
from safetensors.torch import load_file
state = load_file(sys.argv[1])
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(*state['embedding.weight'].shape)
        self.recurrent = nn.LSTM(12, 16, num_layers=2, batch_first=True)
        self.head = nn.Linear(16, state['head.weight'].shape[0])
    def forward(self, x):
        return self.head(self.recurrent(self.embedding(x))[0])
net = Net()
net.load_state_dict(state, strict=True)
with torch.no_grad():
    print(json.dumps(net(torch.tensor([[1, 2, 3, 4]])).flatten().tolist()))
`;

describe.skipIf(!hasTorch)('PyTorch itself (SLUICE_PYTHON names a Python with torch and safetensors)', () => {
  it('loads the file as it is and answers as the engine does', async () => {
    await writeFile(at('load.py'), script);
    const { stdout } = await promisify(execFile)(python!, [at('load.py'), at('weights.safetensors')]);
    await writeFile(at('tokens.json'), JSON.stringify({ tokens: [[1, 2, 3, 4]] }));
    const { outputs } = (await succeed(['infer', at('torch.onnx'), '--input', at('tokens.json')], workspace)) as unknown as { outputs: { logits: { data: number[] } } };
    const wanted = JSON.parse(stdout) as number[];
    expect(Math.max(...wanted.map((value, k) => Math.abs(value - outputs.logits.data[k]!)))).toBeLessThan(1e-5);
  });
});

it('imports the PyTorch and Keras fixtures by their files alone', async () => {
  const weights = resolve(import.meta.dirname, '../fixtures/weights');
  await writeFile(at('five.txt'), 'abcde'.repeat(400));
  await succeed(['import', at('five.txt'), '--name', 'five'], workspace);
  for (const file of ['torch-lstm.safetensors', 'torch-cells.safetensors', 'keras-mixed.weights.h5', 'keras-lstm-list.npz']) {
    expect(await succeed(['import-model', join(weights, file), '--dataset', 'five'], workspace)).toMatchObject({ event: 'finished', steps: 0, status: 'finished' });
  }
});
