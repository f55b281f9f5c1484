import type { MethodOutput, RatePoint } from '../contracts';
import type { JobContext, Ports } from '../ports';
import { requireConfig, type ConfigContext } from './config';

/** How often points are handed on. */
const tellEveryMs = 100;

export interface RateTestRequest {
  job: string;
  config: unknown;
  from: number;
  to: number;
  steps: number;
}

/** Runs a learning-rate range test on a configuration; its points come as events while it runs. */
export async function runRateTest(ports: Ports, context: ConfigContext, { job, config: given, from, to, steps }: RateTestRequest, { signal, progress }: JobContext): Promise<MethodOutput<'models.rateTest'>> {
  const { config, data } = await requireConfig(given, context);
  let waiting: RatePoint[] = [];
  const tell = (): void => {
    if (waiting.length === 0) return;
    ports.events.emit({ type: 'rateTest', job, points: waiting });
    waiting = [];
  };
  const timer = setInterval(tell, tellEveryMs);
  try {
    return await ports.engine.rateTest(
      { config, data, threads: config.training.threads ?? ports.defaultThreads(), from, to, steps },
      (point) => {
        waiting.push(point);
        progress({ phase: 'training', share: point.step / steps, rate: null, secondsLeft: null });
      },
      signal,
    );
  } finally {
    clearInterval(timer);
    tell();
  }
}
