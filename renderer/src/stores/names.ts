import { name as nameRule } from '../../../engine/contracts';
import { errorShape } from '../bridge';
import { t } from '../locales';
import { errorText } from '../locales/errors';

/** What is wrong with a name a person typed, as one line for its field; null where it can be used. */
export function nameProblem(name: string): string | null {
  return nameRule.safeParse(name).success ? null : t('errors.NAME_INVALID.text');
}

/** Why a rename failed, as one line for its field. */
export function renameProblem(error: unknown): string {
  const { title, text } = errorText(errorShape(error));
  return [title, text].filter(Boolean).join(': ');
}
