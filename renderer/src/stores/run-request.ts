import type { RunSummary } from '../../../engine/contracts';

/** What was asked of a training and has not come about yet: it ends its step first, which may take minutes. */
export type RunRequest = 'pause' | 'stop';

export function isUnanswered(asked: RunRequest, state: RunSummary['state'] | undefined): boolean {
  return state === 'running' || (asked === 'stop' && (state === 'paused' || state === 'queued'));
}
