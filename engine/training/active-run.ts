import type { NativeEvent, Probe, TrainingData, TrainingHandle } from '../binding/types';
import { SluiceError, toErrorShape, type RunChange, type RunConfig, type RunEvent, type RunStatus } from '../contracts';
import type { Ports, Tokenizer } from '../ports';
import { writeJson } from '../workspace';
import { changedConfig, settingsOf } from './changes';
import { runFile } from './run-files';
import { releaseLock, type RunLock } from './run-lock';
import { nextState, withReason, type RunTransition } from './run-state';
import { openEventLog, type EventLog } from './tensorboard';
import { createTimeLeft } from './time-left';
import { watchRequests, type RequestWatch } from './tune-requests';

/** How often `status.json` follows the steps; changes of state, evaluations and checkpoints are written at once. */
const statusEveryMs = 2000;

export interface ActiveRunSetup {
  directory: string;
  status: RunStatus;
  config: RunConfig;
  data: TrainingData;
  tokenizer: Tokenizer | null;
  probe: Probe & { everyMs: number };
  prompt: number[];
  lock: RunLock;
  resumeFrom: string | null;
  /** The file of weights that a new training starts from. */
  initialWeights: string | null;
  resumed: boolean;
  damaged: { checkpoint: string; reason: string }[];
  /** Settings changed before. */
  changes: RunChange[];
  /** Whether somebody watches its frames already. */
  live: boolean;
}

/** A run that this process trains or holds in its queue. It is over when `ended` resolves: files written, lock given back. */
export interface ActiveRun {
  readonly id: string;
  readonly directory: string;
  status(): RunStatus;
  config(): RunConfig;
  /** Settings changed so far. */
  changes(): RunChange[];
  begin(): void;
  pause(): Promise<void>;
  resume(): Promise<void>;
  stop(): Promise<void>;
  interrupt(): Promise<void>;
  setProbe(config: RunConfig, probe: Probe & { everyMs: number }): Promise<void>;
  /** Changes settings between two steps; gives what was changed. Throws CONFIG_INVALID at the field. */
  tune(set: readonly string[]): Promise<RunChange[]>;
  setLive(live: boolean): void;
  takeFrame(): Uint8Array | null;
  rename(name: string): Promise<void>;
  readonly ended: Promise<void>;
}

export function createActiveRun(ports: Ports, setup: ActiveRunSetup, onFrame: () => void): ActiveRun {
  const { directory, data, tokenizer, lock } = setup;
  const id = setup.status.id;
  let status = setup.status;
  let config = setup.config;
  let probe = setup.probe;
  let live = setup.live;
  let handle: TrainingHandle | null = null;
  /** What the training said last; told to listeners when its thread has ended and the files are written. */
  let ending: RunEvent | null = null;
  let endEarly: (() => void) | null = null;
  /** Those of a run that goes on may lie ahead of it still: they are made again at their steps. */
  let changes = setup.changes;
  /** The change that the training was asked for, one at a time. */
  let tuning: Promise<unknown> = Promise.resolve();
  let answered: { wanted: number; made: RunChange[]; resolve: (made: RunChange[]) => void; reject: (error: unknown) => void } | null = null;
  let requests: RequestWatch | null = null;
  const timeLeft = createTimeLeft();
  const waiting: { state: RunStatus['state']; resolve: () => void }[] = [];

  let writing: Promise<void> = Promise.resolve();
  let writtenAt = 0;
  let queued = false;
  const persist = (): Promise<void> => {
    if (!queued) {
      queued = true;
      writing = writing.then(async () => {
        queued = false;
        writtenAt = ports.clock.now().getTime();
        try {
          await writeJson(runFile.status(directory), status);
        } catch (error) {
          // The training goes on or fails by itself; a status that cannot be written must not end it.
          ports.log('error', `run ${id}: status.json: ${toErrorShape(error).message}`);
        }
      });
    }
    return writing;
  };

  /** TensorBoard's copy of the log; null before the training began, and once it could not be written. */
  let board: Promise<EventLog | null> = Promise.resolve(null);
  const onBoard = (work: (log: EventLog | null) => Promise<EventLog | null>): Promise<unknown> => {
    board = board.then(work).catch((error: unknown) => {
      ports.log('warning', `run ${id}: the file for TensorBoard is not written any more: ${toErrorShape(error).message}`);
      return null;
    });
    return board;
  };
  const openBoard = (step: number): void => {
    const startedAt = new Date(status.startedAt ?? ports.clock.now());
    void onBoard(() => openEventLog(directory, runFile.metrics(directory), step, startedAt));
  };
  const followLog = (): Promise<unknown> =>
    onBoard(async (log) => {
      try {
        await log?.follow();
        return log;
      } catch (error) {
        await log?.close();
        throw error;
      }
    });
  const closeBoard = (): Promise<unknown> =>
    onBoard(async (log) => {
      await log?.close();
      return null;
    });

  const emit = (event: RunEvent): void => ports.events.emit({ type: 'run', event });
  const change = (transition: RunTransition): void => {
    const next = nextState(status.state, transition);
    if (next === null) return;
    status = { ...status, state: next };
    ports.log('info', `run ${id}: ${next}`);
    ports.events.emit({ type: 'runsChanged' });
    for (const waiter of waiting.splice(0)) {
      if (waiter.state === next) waiter.resolve();
      else waiting.push(waiter);
    }
    void persist();
  };

  const reached = (state: RunStatus['state']): Promise<void> =>
    status.state === state ? Promise.resolve() : Promise.race([new Promise<void>((resolve) => waiting.push({ state, resolve })), ended]);

  const onEvent = (event: NativeEvent): void => {
    switch (event.event) {
      case 'started':
        status = { ...status, step: event.step, parameters: event.parameters, threads: event.threads, kernel: event.kernel, totalSteps: event.totalSteps };
        emit({ ...event, run: id, resumed: setup.resumed, damaged: setup.damaged });
        // The trainer has cut its log back by now.
        openBoard(event.step);
        void persist();
        break;
      case 'step':
        status = { ...status, step: event.step, epoch: Math.floor(event.epoch), totalSteps: event.totalSteps, tokensPerSecond: event.tokensPerSecond };
        emit({ ...event, run: id, secondsLeft: timeLeft.update(event.step, event.elapsedMs, event.totalSteps) });
        if (Math.abs(ports.clock.now().getTime() - writtenAt) > statusEveryMs) {
          void persist();
          void followLog();
        }
        break;
      case 'evaluated':
        if (event.best) status = { ...status, bestStep: event.step, metrics: { ...status.metrics, [event.split]: event.metrics } };
        emit({ ...event, run: id });
        void persist();
        void followLog();
        break;
      case 'sample':
        if (tokenizer) emit({ event: 'sample', run: id, step: event.step, text: tokenizer.decode(event.tokens) });
        break;
      case 'checkpoint':
        status = { ...status, step: Math.max(status.step, event.step), ...(event.best && { bestStep: event.step }) };
        emit({ ...event, run: id });
        void persist();
        void followLog();
        break;
      case 'trace':
        emit({ ...event, run: id });
        break;
      case 'insight':
        emit({ ...event, run: id });
        break;
      case 'changed': {
        const { event: _name, totalSteps, ...made } = event;
        status = { ...status, totalSteps };
        const isKnown = changes.some((one) => one.step === made.step && one.field === made.field && one.to === made.to);
        if (!isKnown) changes = [...changes, made].sort((a, b) => a.step - b.step);
        ports.log('info', `run ${id}: ${made.field} is ${made.to ?? 'off'} after step ${made.step}, it was ${made.from ?? 'off'}`);
        emit({ event: 'changed', run: id, totalSteps, ...made });
        if (answered) {
          answered.made.push(made);
          if (answered.made.length >= answered.wanted) answered.resolve(answered.made);
        }
        void persist();
        break;
      }
      case 'refused':
        answered?.reject(new SluiceError(event.error));
        break;
      case 'paused':
        change('pause');
        emit({ event: 'paused', run: id, step: event.step });
        break;
      case 'resumed':
        change('resume');
        emit({ event: 'resumed', run: id, step: event.step });
        break;
      case 'failed':
        ending = { ...event, run: id };
        break;
      case 'finished':
        ending = { ...event, run: id };
        break;
    }
  };

  /** Not `ended`, which waits for the answers to requests. */
  const threadEnded = new Promise<void>((resolve) => {
    endEarly = () => resolve();
  });

  const tune = (set: readonly string[]): Promise<RunChange[]> => {
    const work = tuning.then(async () => {
      const isTraining = status.state === 'running' || status.state === 'paused';
      if (!handle || !isTraining) {
        throw new SluiceError({ code: 'RUN_NOT_ACTIVE', message: `run ${id} is ${status.state}; its settings can be changed while it trains`, where: id, details: { state: status.state } });
      }
      const settings = settingsOf(changedConfig(config, changes.filter(({ step }) => step <= status.step)), set);
      if (settings.length === 0) return [];
      const made = new Promise<RunChange[]>((resolve, reject) => {
        answered = { wanted: settings.length, made: [], resolve, reject };
      });
      handle.change(settings);
      const over = threadEnded.then((): RunChange[] => {
        throw new SluiceError({ code: 'RUN_NOT_ACTIVE', message: `run ${id} ended before it could be changed`, where: id });
      });
      over.catch(() => undefined);
      try {
        return await Promise.race([made, over]);
      } finally {
        answered = null;
      }
    });
    tuning = work.catch(() => undefined);
    return work;
  };

  const end = async (): Promise<void> => {
    await requests?.stop();
    if (ending?.event === 'finished') {
      status = {
        ...status,
        step: ending.steps,
        bestStep: ending.bestStep,
        stoppedEarly: ending.stoppedEarly,
        metrics: ending.metrics,
        tokensPerSecond: ending.tokensPerSecond,
        error: null,
      };
      change(ending.status === 'finished' ? 'finish' : 'stop');
    } else if (ending?.event === 'failed') {
      const { code, message, where, details } = ending.error;
      status = { ...status, step: ending.step, error: { code, message, ...(where !== undefined && { where }), ...(details && { details }) } };
      ports.log('error', `run ${id}: ${message}${where === undefined ? '' : ` (${where})`}`);
      change('fail');
    } else {
      change('interrupt');
    }
    status = withReason({ ...status, endedAt: ports.clock.now().toISOString() });
    await persist();
    await followLog();
    await closeBoard();
    await releaseLock(directory, lock).catch((error: unknown) => ports.log('error', `run ${id}: run.lock: ${toErrorShape(error).message}`));
    if (ending) emit(ending);
    ports.events.emit({ type: 'runsChanged' });
  };

  const ended = threadEnded.then(end);

  const fail = (error: unknown): void => {
    ending = { event: 'failed', run: id, step: status.step, error: toErrorShape(error) };
    endEarly?.();
  };

  return {
    id,
    directory,
    status: () => status,
    config: () => config,
    begin() {
      status = { ...status, startedAt: status.startedAt ?? ports.clock.now().toISOString(), endedAt: null, error: null };
      change('begin');
      try {
        const started = ports.engine.train(
          {
            run: id,
            directory,
            config,
            data,
            probe,
            samplePrompt: setup.prompt,
            threads: config.training.threads ?? ports.defaultThreads(),
            resumeFrom: setup.resumeFrom,
            initialWeights: setup.initialWeights,
          },
          onEvent,
          onFrame,
        );
        handle = started;
        started.setLive(live);
        requests = watchRequests(directory, tune);
        started.wait().then(() => endEarly?.(), fail);
      } catch (error) {
        fail(error);
      }
    },
    async pause() {
      handle?.pause();
      await reached('paused');
    },
    async resume() {
      handle?.resume();
      await reached('running');
    },
    async stop() {
      if (handle) handle.stop();
      else {
        change('stop');
        endEarly?.();
      }
      await ended;
    },
    async interrupt() {
      if (handle) handle.interrupt();
      else endEarly?.();
      await ended;
    },
    async setProbe(nextConfig, nextProbe) {
      config = nextConfig;
      probe = nextProbe;
      handle?.setProbe(nextProbe);
      await writeJson(runFile.config(directory), nextConfig);
    },
    changes: () => changes,
    tune,
    setLive(next) {
      live = next;
      handle?.setLive(next);
    },
    takeFrame: () => handle?.takeFrame() ?? null,
    async rename(name) {
      status = { ...status, name };
      await persist();
    },
    ended,
  };
}
