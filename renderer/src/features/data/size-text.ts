import type { Dataset } from '../../../../engine/contracts';
import { t } from '../../locales';
import { integer } from '../../locales/format';

/** How much a dataset holds, in a few words; `short`: for a narrow list. */
export function sizeText(dataset: Dataset, short = false): string {
  if (dataset.kind === 'table') return t('data.facts.rows', { rows: integer(dataset.rows), columns: dataset.columns.length });
  if (dataset.kind === 'text') return t('data.facts.tokens', { count: integer(dataset.characters) });
  if (short) return t('sequences.count', { count: integer(dataset.sequences) });
  return t('sequences.facts', { count: integer(dataset.sequences), steps: integer(dataset.steps) });
}
