import { z } from 'zod';
import type { Setting } from '../binding/types';
import { runConfig, SluiceError, tunableFields, type RunChange, type RunConfig, type TunableField } from '../contracts';
import { readJson } from '../workspace';
import { applyAssignments } from './assignments';
import { issueProblems, valueAt } from './field-problems';
import { nearestName } from './nearest-name';
import { runFile } from './run-files';

/** `changes.json` of a run, written by the trainer. */
const changesFile = z.strictObject({
  format: z.literal('sluice-changes/1'),
  changes: z.array(z.strictObject({ step: z.int(), field: z.string(), from: z.number().nullable(), to: z.number().nullable() })),
});

export async function readChanges(directory: string): Promise<RunChange[]> {
  try {
    return (await readJson(changesFile, runFile.changes(directory))).changes;
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'FILE_NOT_FOUND') return [];
    throw error;
  }
}

/** A configuration as it is after changes. */
export function changedConfig(config: RunConfig, changes: readonly RunChange[]): RunConfig {
  return changes.reduce((current, { field, to }) => runConfig.parse(applyAssignments(current, [`${field}=${JSON.stringify(to)}`])), config);
}

function isTunable(field: string): field is TunableField {
  return tunableFields.some((one) => one === field);
}

/**
 * What `path=value` would change of a training that stands at `config`; nothing for what is so already. Throws
 * CONFIG_INVALID at the field for one that cannot be changed, a value it cannot have, and a training that would never end.
 */
export function settingsOf(config: RunConfig, assignments: readonly string[]): Setting[] {
  const fields = assignments.map((assignment) => assignment.slice(0, Math.max(0, assignment.indexOf('='))).trim());
  const next = applyAssignments(config, assignments);
  for (const field of fields) {
    if (isTunable(field)) continue;
    const nearest = nearestName(field, tunableFields);
    throw new SluiceError({
      code: 'CONFIG_INVALID',
      message: `${field} cannot be changed while a run trains; these can: ${tunableFields.join(', ')}`,
      where: field,
      details: { nearest },
    });
  }
  const parsed = runConfig.safeParse(next);
  if (!parsed.success) {
    const [first] = parsed.error.issues.flatMap((issue) => issueProblems(runConfig, issue, next, config));
    throw new SluiceError({ code: 'CONFIG_INVALID', message: first?.message ?? 'the settings do not work', where: first?.path ?? fields[0] ?? 'set', details: first?.details ?? {} });
  }
  const { training, earlyStopping } = parsed.data;
  if (training.maxSteps === null && training.maxEpochs === null && earlyStopping.patience === null) {
    const where = fields.find((field) => valueAt(parsed.data, field.split('.')) === null) ?? 'training.maxSteps';
    throw new SluiceError({ code: 'CONFIG_INVALID', message: 'the training would never end: leave training.maxSteps, training.maxEpochs or earlyStopping.patience', where });
  }
  return [...new Set(fields)].filter(isTunable).flatMap((field) => {
    const to = valueAt(parsed.data, field.split('.'));
    if (to === valueAt(config, field.split('.'))) return [];
    return [{ field, to: typeof to === 'number' ? to : null }];
  });
}
