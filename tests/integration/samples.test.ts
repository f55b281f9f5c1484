import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunEvent, SampleInfo } from '../../engine/contracts';
import { createWorkbench, type LocalWorkbench } from '../../engine/workbench';
import { samples, temporaryFolder } from '../kit/cli';

const listed = JSON.parse(readFileSync(join(samples, 'samples.json'), 'utf8')) as (SampleInfo & { id: string })[] | { samples: SampleInfo[] };
const ids = (Array.isArray(listed) ? listed : listed.samples).map((sample) => sample.id);

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let workbench: LocalWorkbench;

beforeAll(async () => {
  folder = await temporaryFolder();
  workbench = createWorkbench({ workspace: join(folder.path, 'workspace'), samples });
});
afterAll(async () => {
  await workbench.shutdown();
  await folder.remove();
});

describe('every shipped sample', () => {
  it('there are English, Korean and several series', async () => {
    const found = await workbench.call('datasets.samples', {});
    expect(found.map((sample) => sample.id).sort()).toEqual([...ids].sort());
    expect(new Set(found.filter((sample) => sample.kind === 'text').map((sample) => sample.language))).toEqual(new Set(['en', 'ko']));
    expect(found.filter((sample) => sample.kind === 'table').length).toBeGreaterThanOrEqual(3);
  });

  it.each(ids)('%s trains with its preset as it is', async (sample) => {
    const preset = (await workbench.call('datasets.samples', {})).find((one) => one.id === sample)?.preset ?? '';
    const dataset = await workbench.call('datasets.importSample', { job: sample, sample });
    const { config } = await workbench.call('models.preset', { preset, dataset: dataset.id });
    const { description } = await workbench.call('models.describe', { config });
    expect(description.problems).toEqual([]);
    expect(description.stepsPerEpoch).toBeGreaterThanOrEqual(4);
    const ended = new Promise<RunEvent>((resolve) => {
      const stop = workbench.on((event) => {
        if (event.type !== 'run' || (event.event.event !== 'finished' && event.event.event !== 'failed')) return;
        stop();
        resolve(event.event);
      });
    });
    // The preset's data path with a smaller model for a few steps: what is tested is that the sample feeds it.
    const small = { ...config, model: { ...config.model, embeddingSize: 8, layers: config.model.layers.map((layer) => ({ ...layer, hiddenSize: 8 })) }, training: { ...config.training, maxSteps: 6 } };
    const run = await workbench.call('runs.start', { config: small, name: null });
    const last = await ended;
    expect(last).toMatchObject({ event: 'finished', run: run.id, status: 'finished', steps: 6 });
    if (last.event === 'finished') for (const metrics of Object.values(last.metrics)) expect(metrics?.loss).toEqual(expect.any(Number));
  });
});
