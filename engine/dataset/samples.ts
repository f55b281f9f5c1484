import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { presetNames, SluiceError, type SampleInfo } from '../contracts';
import { readJson } from '../workspace';

const both = z.strictObject({ en: z.string().min(1), ko: z.string().min(1) });

/** An entry of `samples.json`: what the gallery shows, and how the file is imported. */
const sampleEntry = z.strictObject({
  id: z.string(),
  file: z.string(),
  kind: z.enum(['text', 'table']),
  title: both,
  description: both,
  language: z.enum(['en', 'ko']).nullable(),
  licence: z.string(),
  attribution: z.string(),
  preset: z.enum(presetNames),
  targets: z.array(z.string()).default([]),
});
export type SampleEntry = z.infer<typeof sampleEntry>;

export async function readSamples(folder: string): Promise<SampleEntry[]> {
  return readJson(z.array(sampleEntry), join(folder, 'samples.json'));
}

export async function listSamples(folder: string): Promise<SampleInfo[]> {
  const entries = await readSamples(folder);
  return Promise.all(
    entries.map(async ({ file, targets: _, ...info }) => ({ ...info, sizeBytes: (await stat(join(folder, file))).size })),
  );
}

export async function findSample(folder: string, id: string): Promise<SampleEntry> {
  const entries = await readSamples(folder);
  const entry = entries.find((candidate) => candidate.id === id);
  if (entry) return entry;
  throw new SluiceError({ code: 'DATASET_NOT_FOUND', message: `There is no sample "${id}". Choose one of ${entries.map((candidate) => candidate.id).join(', ')}.`, where: 'sample', details: { sample: id } });
}
