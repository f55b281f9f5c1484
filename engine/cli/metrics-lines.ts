import type { Metrics, RunStatus } from '../contracts';
import { count, figure, table } from './output';

/** The one figure that says how good a model is, in a few words. */
export function headline(metrics: Metrics): string {
  return 'bitsPerCharacter' in metrics
    ? `${figure(metrics.bitsPerCharacter)} bits/char  loss ${figure(metrics.loss)}  perplexity ${figure(metrics.perplexity)}`
    : `mse ${figure(metrics.mse)}  mae ${figure(metrics.mae)}`;
}

/** A table of metrics per split, forecasts beside their naive baselines. */
export function metricsTable(metrics: Partial<RunStatus['metrics']>): string[] {
  const named = Object.entries(metrics).filter((entry): entry is [string, Metrics] => entry[1] != null);
  const rows: string[][] = [];
  for (const [split, values] of named) {
    if ('bitsPerCharacter' in values) {
      if (rows.length === 0) rows.push(['', 'bits/char', 'loss', 'perplexity', 'tokens']);
      rows.push([split, figure(values.bitsPerCharacter), figure(values.loss), figure(values.perplexity), count(values.tokens)]);
    } else {
      if (rows.length === 0) rows.push(['', 'mse', 'mae', 'raw mse', 'raw mae', 'windows']);
      rows.push([split, figure(values.mse), figure(values.mae), figure(values.raw.mse), figure(values.raw.mae), count(values.windows)]);
      rows.push(['  last value', figure(values.baselines.last.mse), figure(values.baselines.last.mae), '', '', '']);
      const { seasonal } = values.baselines;
      if (seasonal) rows.push([`  ${seasonal.season} steps before`, figure(seasonal.mse), figure(seasonal.mae), '', '', '']);
    }
  }
  return table(rows);
}
