import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fingerprint, runCli, samples, startCli, succeed, temporaryFolder } from '../kit/cli';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let workspace: string;
const run = (name: string, ...parts: string[]): string => join(workspace, 'runs', name, ...parts);
const settings = ['training.maxSteps=60', 'checkpoint.everySteps=10', 'checkpoint.everySeconds=100000', 'evaluation.everySteps=20', 'training.batchSize=8', 'training.threads=1', 'model.layers.0.hiddenSize=8', 'model.layers.1.hiddenSize=8'].flatMap((one) => ['--set', one]);
const train = (name: string): string[] => ['train', '--preset', 'char-lstm', '--dataset', 'play', '--name', name, ...settings];
const finalModel = async (name: string): Promise<string | undefined> => (await fingerprint(run(name, 'checkpoints')))['step-60/model.safetensors'];

beforeAll(async () => {
  folder = await temporaryFolder();
  workspace = join(folder.path, 'workspace');
  await writeFile(join(folder.path, 'play.txt'), (await readFile(join(samples, 'tinyshakespeare/tinyshakespeare.txt'), 'utf8')).slice(0, 20_000));
  await succeed(['import', join(folder.path, 'play.txt'), '--name', 'play'], workspace);
  await succeed(train('whole'), workspace);
  const killed = startCli(train('killed'), workspace);
  await killed.until((line) => line.event === 'checkpoint' && (line['step'] as number) >= 30);
  killed.process.kill('SIGKILL');
  await killed.ended;
});
afterAll(() => folder.remove());

describe('a copied run folder', () => {
  it('is a run of its own, named after its folder', async () => {
    await cp(run('whole'), run('copy'), { recursive: true });
    expect(await succeed(['evaluate', 'copy'], workspace)).toMatchObject({ run: 'copy' });
    const exported = await succeed(['export', 'copy'], workspace);
    expect(exported['path']).toContain(run('copy', 'exports'));
    await expect(readFile(exported['path'] as string)).resolves.toBeInstanceOf(Buffer);
  });

  it('goes on by itself and leaves the first one alone', async () => {
    await cp(run('killed'), run('second'), { recursive: true });
    const before = await fingerprint(run('killed'));
    expect(await succeed(['train', '--resume', 'second'], workspace)).toMatchObject({ run: 'second', status: 'finished' });
    expect(await finalModel('second')).toBe(await finalModel('whole'));
    expect(await fingerprint(run('killed'))).toEqual(before);
    expect(JSON.parse(await readFile(run('second', 'status.json'), 'utf8'))).toMatchObject({ id: 'second', name: 'second', state: 'finished' });
  });
});

describe('a status.json that is missing or damaged', () => {
  it.each([['missing', null], ['torn', '{"format": "sluice-run/1", "id": '], ['empty', '']])('%s: the run is used and goes on to the same bits', async (name, content) => {
    await cp(run('killed'), run(name), { recursive: true });
    // The log is written before any checkpoint of a later step; status.json may lag behind it.
    const log = (await readFile(run('killed', 'metrics.jsonl'), 'utf8')).split('\n').slice(0, -1).map((line) => JSON.parse(line) as { kind: string; step: number; best?: boolean });
    const bestStep = log.findLast((record) => record.kind === 'evaluation' && record.best === true)?.step;
    expect(bestStep).toBeGreaterThanOrEqual(20);
    if (content === null) await rm(run(name, 'status.json'));
    else await writeFile(run(name, 'status.json'), content);
    const evaluated = await runCli(['evaluate', name], workspace);
    expect(evaluated).toMatchObject({ status: 0, last: { checkpoint: bestStep } });
    expect(evaluated.stderr).toMatch(/warning: .*status\.json.*worked out.*interrupted at step/);
    await succeed(['train', '--resume', name], workspace);
    expect(await finalModel(name)).toBe(await finalModel('whole'));
    expect((await runCli(['evaluate', name], workspace)).stderr).toBe('');
  });

  it('of a finished run reads as finished', async () => {
    await cp(run('whole'), run('done'), { recursive: true });
    await rm(run('done', 'status.json'));
    expect(await runCli(['train', '--resume', 'done'], workspace)).toMatchObject({ status: 1, last: { code: 'RUN_NOT_ACTIVE', message: expect.stringContaining('finished') as string } });
  });
});

describe('a part that nothing can stand in for', () => {
  it.each([
    ['config.json', null, /config\.json is missing/],
    ['config.json', '{"dataset": ', /config\.json is damaged: it is not complete JSON/],
    ['config.json', '{"dataset": "play", "task": {"kind": "language-model"}, "training": {"seed": -1}}', /config\.json is damaged: training\.seed/],
    ['data.json', null, /data\.json is missing/],
    ['data.json', '{}', /data\.json is damaged: format/],
  ])('%s (%j) is named', async (file, content, says) => {
    await rm(run('hurt'), { recursive: true, force: true });
    await cp(run('whole'), run('hurt'), { recursive: true });
    if (content === null) await rm(run('hurt', file));
    else await writeFile(run('hurt', file), content);
    const result = await runCli(['evaluate', 'hurt'], workspace);
    expect(result.status).toBe(1);
    expect(result.last['message']).toMatch(says);
    expect(result.last['message']).toMatch(/put back a copy/);
  });
});
