import { t } from '../../locales';
import { integer } from '../../locales/format';

const units = ['second', 'minute', 'hour', 'day', 'business day', 'week', 'month', 'quarter', 'year'] as const;
const keys = { second: 'second', minute: 'minute', hour: 'hour', day: 'day', 'business day': 'businessDay', week: 'week', month: 'month', quarter: 'quarter', year: 'year' } as const;

function parse(frequency: string | null): { unit: (typeof units)[number]; count: number } | null {
  const match = /^(?:(\d+) )?(.+?)s?$/.exec(frequency ?? '');
  const unit = units.find((candidate) => candidate === match?.[2]);
  return match && unit ? { unit, count: Number(match[1] ?? 1) } : null;
}

/** `hour` → `hour` / `1시간`; `15 minutes` → `15 min` / `15분`; null where irregular. */
export function frequencyText(frequency: string | null): string | null {
  const parsed = parse(frequency);
  if (!parsed) return null;
  return parsed.count === 1 ? t(`data.frequency.${keys[parsed.unit]}`) : t(`data.steps.${keys[parsed.unit]}`, { n: parsed.count });
}

/** How long `steps` rows last, in the largest unit that says it whole: 96 hours → `4 days`, 17 of unknown → `17 steps`. */
export function stepsText(steps: number, frequency: string | null): string {
  const parsed = parse(frequency);
  if (!parsed) return t('data.steps.step', { n: integer(steps) });
  let { unit, count } = { unit: parsed.unit, count: steps * parsed.count };
  const larger: Partial<Record<(typeof units)[number], [number, (typeof units)[number]]>> = { second: [60, 'minute'], minute: [60, 'hour'], hour: [24, 'day'], month: [12, 'year'], quarter: [4, 'year'] };
  for (let step = larger[unit]; step && count >= 2 * step[0] && count % step[0] === 0; step = larger[unit]) {
    count /= step[0];
    unit = step[1];
  }
  return t(`data.steps.${keys[unit]}`, { n: integer(count) });
}
