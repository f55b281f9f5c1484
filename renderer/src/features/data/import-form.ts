import type { ColumnRole, FilePreview, ImportRequestInput } from '../../../../engine/contracts';

/** What the user set in the import dialog; everything left out is recognised from the file. */
export type Overrides = Omit<ImportRequestInput, 'files' | 'sample'>;

/** Roles after one column got another one: targets and covariates in the order of the columns. */
export function withRole(preview: Extract<FilePreview, { kind: 'table' }>, column: string, role: 'target' | 'covariate' | 'ignored'): { targets: string[]; covariates: string[] } {
  const roleOf = (name: string, current: ColumnRole) => (name === column ? role : current);
  const named = (wanted: ColumnRole) => preview.columns.filter(({ name, role: current }) => roleOf(name, current) === wanted).map(({ name }) => name);
  return { targets: named('target'), covariates: named('covariate') };
}

/** Another delimiter, encoding or reading gives other columns: roles named before no longer hold. */
export function withReading(overrides: Overrides, change: Pick<Overrides, 'delimiter' | 'encoding' | 'task'>): Overrides {
  const { targets: _targets, covariates: _covariates, timeColumn: _time, lookback: _lookback, horizon: _horizon, sequence: _sequence, inputs: _inputs, lowest: _lowest, highest: _highest, ...kept } = overrides;
  const { split, ...rest } = kept;
  return { ...rest, ...(split && !('task' in change) && { split }), ...change };
}
