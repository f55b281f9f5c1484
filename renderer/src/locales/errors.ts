import type { ErrorShape } from '../../../engine/contracts';
import { hasMessage, language, t } from '.';

/** An error in the words of its reader: what is wrong and, where known, at which file, row, column or field. */
export interface ErrorText {
  title: string;
  /** The engine's own sentence where the language is English, with its numbers and names. */
  text: string;
  where: string | null;
  code: string;
}

/** `data.csv, row 12, column price` as it reads in the window's language. */
export function placeText(where: string): string {
  if (language() !== 'ko') return where;
  return where
    .replace(/\brow (\d(?:,?\d)*)/g, '$1행')
    .replace(/\bline (\d(?:,?\d)*)/g, '$1줄')
    .replace(/\bbyte (\d(?:,?\d)*)/g, '$1바이트')
    .replace(/\bcolumn ([^,]+)/g, '‘$1’ 열');
}

export function errorText(error: ErrorShape): ErrorText {
  const key = `errors.${error.code}`;
  const title = hasMessage(`${key}.title`) ? t(`${key}.title`) : t('errors.unknown', { code: error.code });
  const adviceKey = error.details?.['restarting'] === false ? `${key}.stopped` : `${key}.text`;
  const advice = hasMessage(adviceKey) ? t(adviceKey, error.details ?? {}) : '';
  return {
    title,
    // The engine's sentence names the very row, value or file; only English readers can use it as it stands.
    text: language() === 'en' ? error.message : advice,
    where: error.where ? placeText(error.where) : null,
    code: error.code,
  };
}
