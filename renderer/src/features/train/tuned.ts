import type { RunChange, RunConfig, TunableField } from '../../../../engine/contracts';
import { setAt } from '../../stores/stack';

/** A run's configuration as it stands after the changes made while it trained. */
export function tunedConfig(config: RunConfig, changes: readonly RunChange[]): RunConfig {
  return changes.reduce((current, { field, to }) => setAt(current, field, to), config);
}

export function tunedValue(config: RunConfig, field: TunableField): number | null {
  const found = field.split('.').reduce<unknown>((place, key) => (place as Record<string, unknown>)[key], config);
  return typeof found === 'number' ? found : null;
}
