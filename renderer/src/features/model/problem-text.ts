import type { ModelDescription } from '../../../../engine/contracts';
import { hasMessage, t } from '../../locales';

type ConfigProblem = ModelDescription['problems'][number];

/** Fields whose lower bound is exclusive: a rate or a norm of zero would do nothing. */
const aboveZero = /(learningRate|epsilon|norm|clip\.value|factor|everySeconds)$/;

/** The rule a field breaks and a value that works, in the window's language; the engine's sentence where it is new. */
export function problemText(problem: ConfigProblem): string {
  const rule = ruleKey(problem);
  if (!hasMessage(`model.problems.${rule}`)) return problem.message;
  const { usual, ...values } = problem.details;
  const sentence = t(`model.problems.${rule}`, { nearest: '', ...values });
  return usual === undefined || usual === null ? sentence : `${sentence} ${t('model.example', { usual })}`;
}

function ruleKey({ code, path, details }: ConfigProblem): string {
  if (code === 'TOO_SMALL' && details['minimum'] === 0 && aboveZero.test(path)) return 'TOO_SMALL_ABOVE';
  if (code === 'WRONG_TYPE' && details['expected'] === 'int') return 'WRONG_TYPE_INT';
  return code;
}
