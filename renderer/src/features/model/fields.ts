/** Value at a path such as `training.optimizer.learningRate`, undefined where it leads nowhere. */
export function valueAt(config: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((place, key) => (place !== null && typeof place === 'object' ? (place as Record<string, unknown>)[key] : undefined), config);
}

/** Id of the element that edits a field, so that a problem can lead to it. */
export const fieldId = (path: string): string => `field-${path.replaceAll('.', '-')}`;
