import { defineStore } from 'pinia';
import { shallowRef } from 'vue';
import type { JobProgress } from '../../../engine/contracts';
import { useWorkbench } from './workbench';

/** Long work that is not a run: imports, exports, inference. */
export const useJobs = defineStore('jobs', () => {
  const active = shallowRef<JobProgress[]>([]);
  let counter = 0;

  function start(): void {
    useWorkbench().on((event) => {
      if (event.type === 'progress') update(event.progress);
    });
  }

  function update(progress: JobProgress): void {
    const known = active.value.some((job) => job.job === progress.job);
    // Progress of a job this window did not start, or that already ended, is not shown.
    if (known) active.value = active.value.map((job) => (job.job === progress.job ? progress : job));
  }

  /**
   * Runs work under a job id of its own; it is listed until it ends, whether it succeeds or fails.
   * The id goes into the request, so that `cancel` and progress events find it.
   */
  async function run<T>(kind: JobProgress['kind'], title: string, work: (job: string) => Promise<T>): Promise<T> {
    const job = `${kind}-${Date.now().toString(36)}-${++counter}`;
    active.value = [...active.value, { job, kind, title, phase: '', share: null, rate: null, secondsLeft: null }];
    try {
      return await work(job);
    } finally {
      active.value = active.value.filter((other) => other.job !== job);
    }
  }

  async function cancel(job: string): Promise<void> {
    await useWorkbench().call('jobs.cancel', { job });
  }

  return { active, start, run, cancel };
});
