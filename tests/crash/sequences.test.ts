import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fingerprint, startCli, succeed, temporaryFolder } from '../kit/cli';

/** Trainings on sequences, killed and continued: masked batches and their order are no exception. */
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let workspace: string;
const settings = ['training.maxSteps=120', 'training.batchSize=8', 'model.layers.0.hiddenSize=24', 'evaluation.everySteps=40', 'checkpoint.everySteps=10', 'checkpoint.everySeconds=100000', 'training.threads=1'].flatMap((one) => ['--set', one]);

beforeAll(async () => {
  folder = await temporaryFolder();
  workspace = join(folder.path, 'workspace');
  await succeed(['generate', 'adding', '--name', 'adding', '--length', '30', '--count', '200'], workspace);
  await succeed(['generate', 'recall-name', '--name', 'names', '--length', '20', '--count', '200'], workspace);
});
afterAll(() => folder.remove());

describe('a training on sequences killed with SIGKILL', () => {
  it.each([['adding', 'adding-lstm'], ['names', 'label-lstm']])('on %s goes on to the same bits', { timeout: 120_000 }, async (dataset, preset) => {
    const train = (name: string): string[] => ['train', '--preset', preset, '--dataset', dataset, '--name', name, ...settings];
    const weights = async (name: string): Promise<Record<string, string>> =>
      Object.fromEntries(Object.entries(await fingerprint(join(workspace, 'runs', name, 'checkpoints'))).filter(([path]) => path.endsWith('.safetensors')));
    await succeed(train(`${dataset}-whole`), workspace);
    const killed = startCli(train(`${dataset}-killed`), workspace);
    await killed.until((line) => line.event === 'checkpoint' && (line['step'] as number) >= 50);
    killed.process.kill('SIGKILL');
    expect((await killed.ended).signal).toBe('SIGKILL');
    expect(await succeed(['train', '--resume', `${dataset}-killed`], workspace)).toMatchObject({ event: 'finished', steps: 120 });
    expect(await weights(`${dataset}-killed`)).toEqual(await weights(`${dataset}-whole`));
  });
});
