import { z } from 'zod';

export type Path = readonly (string | number)[];

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Takes off defaults, null and optional, which say nothing about the shape underneath. */
export function bare(schema: z.core.$ZodType): z.core.$ZodType {
  let current = schema;
  while (
    current instanceof z.ZodDefault ||
    current instanceof z.ZodPrefault ||
    current instanceof z.ZodNullable ||
    current instanceof z.ZodOptional
  ) {
    current = current.unwrap();
  }
  return current;
}

/** Where a path leads to one of several kinds: the field that names the kind, and the kinds that have a field `key`. */
export function kindsWith(schema: z.core.$ZodType, path: Path, key: string, value: unknown): { discriminator: string; kinds: string[] } | null {
  const union = schemasAt(schema, path, value).map(bare).find((found) => found instanceof z.ZodDiscriminatedUnion);
  if (!union) return null;
  const { discriminator } = union.def;
  const kinds = union.options
    .map(bare)
    .filter((option): option is z.ZodObject => option instanceof z.ZodObject && Object.hasOwn(option.shape, key))
    .flatMap((option) => {
      const literal: unknown = option.shape[discriminator];
      return literal instanceof z.ZodLiteral ? [...literal.values].map(String) : [];
    });
  return { discriminator, kinds };
}

/** The object schemas a value may have: of a union only those its discriminator allows, all where it names none. */
function objects(schema: z.core.$ZodType, value: unknown): z.ZodObject[] {
  const plain = bare(schema);
  if (plain instanceof z.ZodObject) return [plain];
  if (plain instanceof z.ZodDiscriminatedUnion) {
    const options = plain.options.map(bare).filter((option): option is z.ZodObject => option instanceof z.ZodObject);
    const discriminator = plain.def.discriminator;
    const given = isRecord(value) ? value[discriminator] : undefined;
    const matching = options.filter((option) => {
      const literal = option.shape[discriminator];
      return literal !== undefined && z.safeParse(literal, given).success;
    });
    return matching.length > 0 ? matching : options;
  }
  return [];
}

/** Schemas at a path of a value; several where a union leaves it open, none where the path is unknown. */
export function schemasAt(schema: z.core.$ZodType, path: Path, value: unknown): z.core.$ZodType[] {
  const [key, ...rest] = path;
  if (key === undefined) return [schema];
  const plain = bare(schema);
  if (plain instanceof z.ZodArray) {
    const child = Array.isArray(value) ? (value as unknown[])[Number(key)] : undefined;
    return /^\d+$/.test(String(key)) ? schemasAt(plain.element, rest, child) : [];
  }
  const child = isRecord(value) ? value[key] : undefined;
  if (plain instanceof z.ZodRecord) return schemasAt(plain.valueType, rest, child);
  return objects(plain, value).flatMap((object) => {
    const shape = object.shape as Record<string, z.core.$ZodType>;
    // A key from outside may be one that every object inherits.
    const field = Object.hasOwn(shape, key) ? shape[key] : undefined;
    return field ? schemasAt(field, rest, child) : [];
  });
}

/** Field names allowed at a path of a value. */
export function keysAt(schema: z.core.$ZodType, path: Path, value: unknown): string[] {
  let inner: unknown = value;
  for (const key of path) inner = isRecord(inner) || Array.isArray(inner) ? (inner as Record<string | number, unknown>)[key] : undefined;
  const keys = schemasAt(schema, path, value).flatMap((found) => objects(found, inner).flatMap((object) => Object.keys(object.shape)));
  return [...new Set(keys)];
}

/** Every path that leads to a value, with 0 for the index of a list: `model.layers.0.hiddenSize`. */
export function leafPaths(schema: z.core.$ZodType, prefix: Path = []): string[] {
  const plain = bare(schema);
  if (plain instanceof z.ZodArray && objects(plain.element, undefined).length > 0) return leafPaths(plain.element, [...prefix, 0]);
  const found = objects(plain, undefined);
  if (found.length === 0) return [prefix.join('.')];
  const paths = found.flatMap((object) =>
    Object.entries(object.shape as Record<string, z.core.$ZodType>).flatMap(([key, field]) => leafPaths(field, [...prefix, key])),
  );
  return [...new Set(paths)];
}
