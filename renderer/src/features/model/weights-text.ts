import type { WeightsRemark } from '../../../../engine/contracts';
import { hasMessage, t } from '../../locales';

/** What the engine found about a file of weights, in the window's language; its own sentence where the code is new. */
export function remarkText({ code, message, details }: WeightsRemark): string {
  const key = `weights.remarks.${code}`;
  return hasMessage(key) ? t(key, details) : message;
}
