import { z } from 'zod';
import { presetNames, runConfig, type PresetName } from '../contracts';
import { presetConfig } from './presets';
import { bare, leafPaths, schemasAt } from './schema-paths';

/** One field of a configuration, for help texts. */
export interface ConfigField {
  /** As `--set` takes it, with 0 for the index of a list. */
  path: string;
  /** What it takes: `number`, `adam | sgd`, …. */
  takes: string;
}

function takes(schema: z.core.$ZodType): string {
  const plain = bare(schema);
  const words =
    plain instanceof z.ZodEnum
      ? plain.options.join(' | ')
      : plain instanceof z.ZodLiteral
        ? [...plain.values].join(' | ')
        : plain instanceof z.ZodBoolean
          ? 'true | false'
          : plain instanceof z.ZodArray
            ? 'a,b,…'
            : plain instanceof z.ZodRecord
              ? '.<name>=<value>'
            : plain instanceof z.ZodString
              ? 'text'
              : 'number';
  return acceptsNull(schema) ? `${words} | null` : words;
}

function acceptsNull(schema: z.core.$ZodType): boolean {
  return z.safeParse(schema, null).success;
}

/** Every field of a configuration in the schema's order: the one definition that forms and help are made of. */
export function configFields(): ConfigField[] {
  return leafPaths(runConfig).map((path) => {
    const parts = path.split('.').map((part) => (/^\d+$/.test(part) ? Number(part) : part));
    const sample = { model: { layers: [{}] } };
    const kinds = schemasAt(runConfig, parts, sample).map(takes);
    return { path, takes: [...new Set(kinds)].join(' | ') };
  });
}

/** The presets with their stacks in a few words. */
export function presetLines(): { name: PresetName; layers: string }[] {
  return presetNames.map((name) => ({ name, layers: (presetConfig(name).model?.layers ?? []).map((layer) => `${layer.cell} ${layer.hiddenSize}`).join(' · ') }));
}
