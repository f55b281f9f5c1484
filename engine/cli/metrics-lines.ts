import type { Metrics, RunStatus } from '../contracts';
import { count, figure, table } from './output';

/** The one figure that says how good a model is, in a few words. */
export function headline(metrics: Metrics): string {
  if ('bitsPerCharacter' in metrics) return `${figure(metrics.bitsPerCharacter)} bits/char  loss ${figure(metrics.loss)}  perplexity ${figure(metrics.perplexity)}`;
  if ('accuracy' in metrics) return `loss ${figure(metrics.loss)}  right ${percent(metrics.accuracy)}  whole sequences ${percent(metrics.sequencesRight)}`;
  return 'frames' in metrics ? `${figure(metrics.loss)} nats per frame` : `mse ${figure(metrics.mse)}  mae ${figure(metrics.mae)}`;
}

function percent(share: number): string {
  return `${figure(100 * share)} %`;
}

/** A table of metrics per split, what needs no memory in brackets below; forecasts beside their naive baselines. */
export function metricsTable(metrics: Partial<RunStatus['metrics']>): string[] {
  const named = Object.entries(metrics).filter((entry): entry is [string, Metrics] => entry[1] != null);
  const rows: string[][] = [];
  for (const [split, values] of named) {
    if ('bitsPerCharacter' in values) {
      if (rows.length === 0) rows.push(['', 'bits/char', 'loss', 'perplexity', 'tokens']);
      rows.push([split, figure(values.bitsPerCharacter), figure(values.loss), figure(values.perplexity), count(values.tokens)]);
    } else if ('accuracy' in values) {
      if (rows.length === 0) rows.push(['', 'loss', 'right', 'whole sequences', 'labels']);
      rows.push([split, figure(values.loss), percent(values.accuracy), percent(values.sequencesRight), count(values.labels)]);
      rows.push(['  by frequency', figure(values.baseline.loss), percent(values.baseline.accuracy), '', '']);
    } else if ('frames' in values) {
      if (rows.length === 0) rows.push(['', 'nats per frame', 'frames']);
      rows.push([split, figure(values.loss), count(values.frames)]);
      rows.push(['  by frequency', figure(values.baseline), '']);
    } else if ('r2' in values) {
      if (rows.length === 0) rows.push(['', 'mse', 'mae', 'R²', 'sequences']);
      rows.push([split, figure(values.mse), figure(values.mae), values.r2 === null ? '' : figure(values.r2), count(values.sequences)]);
      rows.push(['  training mean', figure(values.baseline.mse), figure(values.baseline.mae), '', '']);
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
