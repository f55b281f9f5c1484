import { SluiceError, type JobProgress } from './contracts';
import type { Clock, Events, JobContext } from './ports';

/** How often a job may say where it stands; a new phase is always said. */
const progressEveryMs = 100;

export interface Jobs {
  /** Runs long work under its caller's job id; cancelling makes it throw CANCELLED. */
  run<T>(job: string, kind: JobProgress['kind'], title: string, work: (context: JobContext) => Promise<T>): Promise<T>;
  /** False where no such job runs (any more). */
  cancel(job: string): boolean;
  cancelAll(): void;
}

export function createJobs(clock: Clock, events: Events): Jobs {
  const running = new Map<string, AbortController>();
  return {
    async run(job, kind, title, work) {
      if (running.has(job)) throw new SluiceError({ code: 'INPUT_INVALID', message: `a job ${job} is running already`, where: 'job' });
      const controller = new AbortController();
      running.set(job, controller);
      let phase = '';
      let phaseBegan = clock.now().getTime();
      let said = 0;
      try {
        return await work({
          signal: controller.signal,
          progress: (update) => {
            const now = clock.now().getTime();
            if (update.phase !== phase) {
              phase = update.phase;
              phaseBegan = now;
            } else if (now - said < progressEveryMs && update.share !== 1) {
              return;
            }
            said = now;
            const elapsed = (now - phaseBegan) / 1000;
            const estimated = update.share !== null && update.share > 0.02 && elapsed > 0.5 ? (elapsed * (1 - update.share)) / update.share : null;
            events.emit({ type: 'progress', progress: { job, kind, title, ...update, secondsLeft: update.secondsLeft ?? estimated } });
          },
        });
      } catch (error) {
        if (controller.signal.aborted) throw new SluiceError({ code: 'CANCELLED', message: `${title} was cancelled` }, { cause: error });
        throw error;
      } finally {
        running.delete(job);
      }
    },
    cancel(job) {
      const controller = running.get(job);
      controller?.abort();
      return controller !== undefined;
    },
    cancelAll() {
      for (const controller of running.values()) controller.abort();
    },
  };
}
