import type { ErrorShape } from '../../../../engine/contracts';
import { t } from '../../locales';
import { errorText } from '../../locales/errors';
import { integer } from '../../locales/format';

/** What is wrong with a lookback, horizon or split, with a value that works, in the window's language. */
export function windowProblem(error: ErrorShape): string {
  const { details } = error;
  if (error.code === 'CONFIG_INVALID' && typeof details?.['run'] === 'string') return t('data.split.usedBy', { run: details['run'] });
  if (error.code !== 'DATASET_TOO_SHORT' || typeof details?.['part'] !== 'string') {
    const { title, text } = errorText(error);
    return text || title;
  }
  const values = { part: t(`data.parts.${details['part']}`), rows: integer(Number(details['rows'])) };
  if (typeof details['largestHorizon'] === 'number') return t('data.window.largestHorizon', { ...values, value: integer(details['largestHorizon']) });
  if (typeof details['largestLookback'] === 'number') return t('data.window.largestLookback', { ...values, value: integer(details['largestLookback']) });
  return typeof details['lookback'] === 'number' ? t('data.window.tooShort', values) : t('data.split.partShort', values);
}
