import { SluiceError, type RunState, type RunStatus } from '../contracts';

/** What happens to a run; commands of a person and endings of its training alike. */
export type RunTransition = 'begin' | 'pause' | 'resume' | 'finish' | 'stop' | 'fail' | 'interrupt' | 'continue';

const transitions: Record<RunState, Partial<Record<RunTransition, RunState>>> = {
  queued: { begin: 'running', stop: 'stopped', fail: 'failed', interrupt: 'interrupted' },
  running: { pause: 'paused', finish: 'finished', stop: 'stopped', fail: 'failed', interrupt: 'interrupted' },
  paused: { resume: 'running', finish: 'finished', stop: 'stopped', fail: 'failed', interrupt: 'interrupted' },
  finished: {},
  stopped: { continue: 'queued' },
  failed: { continue: 'queued' },
  interrupted: { continue: 'queued' },
};

/** The next state, null where the transition has no meaning in this one. */
export function nextState(state: RunState, transition: RunTransition): RunState | null {
  return transitions[state][transition] ?? null;
}

/** Whether a process works, or waits to work, on a run in this state. */
export function isActive(state: RunState): boolean {
  return state === 'queued' || state === 'running' || state === 'paused';
}

/** The next state; throws RUN_NOT_ACTIVE with the reason where there is none. */
export function requireTransition(run: string, state: RunState, transition: RunTransition): RunState {
  const next = nextState(state, transition);
  if (next !== null) return next;
  const hint =
    transition === 'continue'
      ? state === 'finished'
        ? 'it has finished: there is nothing to go on with'
        : 'it is being trained already'
      : `it is ${state}`;
  throw new SluiceError({ code: 'RUN_NOT_ACTIVE', message: `run ${run} cannot ${transition}: ${hint}`, where: run, details: { state, transition } });
}

/**
 * The state a reader sees: a run whose owner died while it worked was interrupted, whatever its file says.
 */
export function observedState(recorded: RunState, ownerAlive: boolean): RunState {
  return isActive(recorded) && !ownerAlive ? 'interrupted' : recorded;
}

/** Why a run that never began reads as interrupted. */
const neverStarted: RunStatus['error'] = { code: 'CANCELLED', message: 'the engine ended while this run waited in the queue; it has not begun; continue it to start it' };

/** A status with the reason of an interruption, where it has one: a run that was only queued lost nothing. */
export function withReason<Status extends Pick<RunStatus, 'state' | 'startedAt' | 'error'>>(status: Status): Status {
  return status.state === 'interrupted' && status.startedAt === null && status.error === null ? { ...status, error: neverStarted } : status;
}
