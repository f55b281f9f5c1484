import { createHash } from 'node:crypto';
import { SluiceError, type GenerateRequest, type GeneratedFrom, type SequenceDataset } from '../../contracts';
import { writeSequences } from '../sequences/write';
import { adding } from './adding';
import { anbn } from './anbn';
import { copy } from './copy';
import { randomFrom } from './random';
import { recallName } from './recall-name';
import type { Synthetic } from './synthetic';

const tasks: Record<GeneratedFrom['task'], Synthetic> = { adding, copy, anbn, 'recall-name': recallName };

/** Steps of all sequences together that are still made: their files stay below about one GB. */
const mostSteps = 100_000_000;

/** Makes the sequences of a task in `folder`; the same for the same request, on every machine. Throws CONFIG_INVALID. */
export async function generate(request: GenerateRequest, id: string, createdAt: string, folder: string, signal: AbortSignal): Promise<SequenceDataset> {
  const synthetic = tasks[request.task];
  const length = request.length ?? synthetic.length;
  const train = request.count ?? synthetic.count;
  const held = Math.max(1, Math.round(train / 20));
  const counts = { train, validation: held, test: held };
  if ((train + 2 * held) * length > mostSteps) {
    throw new SluiceError({ code: 'CONFIG_INVALID', message: `count: ${train} sequences of length ${length} are more than fit; ask for at most ${Math.floor(mostSteps / 1.1 / length)}, or for shorter ones.`, where: 'count' });
  }
  const { lengths, body, baseline } = synthetic.make({ length, counts, random: randomFrom(request.seed) });
  const generated: GeneratedFrom = { task: request.task, length, count: train, seed: request.seed, baseline };
  const split: SequenceDataset['split'] = { train: [0, train], validation: [train, train + held], test: [train + held, train + 2 * held] };
  const files = await writeSequences(folder, { lengths, split, body }, signal);
  const recipe = JSON.stringify({ task: request.task, length, count: train, seed: request.seed });
  return {
    format: 'sluice-dataset/1',
    id,
    createdAt,
    source: { name: `${request.task}, seed ${request.seed}`, sizeBytes: 0, sha256: createHash('sha256').update(recipe).update(files.checksum ?? '').digest('hex'), encoding: null, delimiter: null, sample: null },
    warnings: [],
    ...files,
    task: body.kind === 'values' ? { kind: 'regress', inputs: body.columns, targets: body.targetColumns, scaling: 'none' } : { kind: 'label' },
    generated,
  };
}
