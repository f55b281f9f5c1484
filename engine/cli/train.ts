import { readFile } from 'node:fs/promises';
import { SluiceError, type MethodInput, type RunEvent, type WeightsKind } from '../contracts';
import { applyAssignments, readError } from '../workbench';
import type { Context } from './context';
import { headline, metricsTable } from './metrics-lines';
import { count, duration, figure } from './output';
import { untilReaderLeaves } from './reader';

export interface TrainOptions {
  preset?: string;
  dataset?: string;
  set?: string[];
  resume?: string;
  name?: string;
  weights?: string;
  weightsFrom?: WeightsKind;
  vocabulary?: string;
}

function usage(message: string): SluiceError {
  return new SluiceError({ code: 'USAGE', message });
}

/** The configuration as it was asked for, with `--set` applied; the workbench completes and checks it. */
export async function readConfiguration(context: Context, file: string | undefined, options: Pick<TrainOptions, 'preset' | 'dataset' | 'set'>): Promise<unknown> {
  if (file !== undefined && options.preset !== undefined) throw usage('give a configuration file or --preset, not both');
  let config: unknown;
  if (options.preset !== undefined) {
    if (options.dataset === undefined) throw usage('--preset needs --dataset NAME');
    config = (await context.workbench.call('models.preset', { preset: options.preset, dataset: options.dataset })).config;
  } else if (file !== undefined) {
    const path = context.path(file);
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (error) {
      throw readError(error, path);
    }
    try {
      config = JSON.parse(text);
    } catch (error) {
      throw new SluiceError({ code: 'CONFIG_INVALID', message: `${path} is not JSON: ${error instanceof Error ? error.message : String(error)}`, where: path }, { cause: error });
    }
    if (options.dataset !== undefined) config = applyAssignments(config, [`dataset=${options.dataset}`]);
  } else {
    throw usage('give a configuration file, or --preset P --dataset N');
  }
  return options.set && options.set.length > 0 ? applyAssignments(config, options.set) : config;
}

/** Says what a training does, as people read it. */
function tell({ output }: Pick<Context, 'output'>, event: RunEvent): void {
  switch (event.event) {
    case 'started':
      output.message(`run ${event.run}: ${count(event.parameters)} parameters, ${event.threads} thread${event.threads === 1 ? '' : 's'}, ${event.kernel}${event.resumed ? `, continued at step ${event.step}` : ''}`);
      break;
    case 'step': {
      const left = event.secondsLeft === null ? '' : `  ${duration(event.secondsLeft)} left`;
      output.progress(`step ${event.step}${event.totalSteps === null ? '' : ` of ${event.totalSteps}`}  loss ${figure(event.loss)}  ${count(event.tokensPerSecond)} tokens/s${left}`);
      break;
    }
    case 'evaluated':
      output.message(`step ${event.step}  ${event.split}  ${headline(event.metrics)}${event.best ? '  best' : ''}`);
      break;
    case 'changed':
      output.message(`step ${event.step}  ${event.field} is ${event.to ?? 'off'}, it was ${event.from ?? 'off'}`);
      break;
    case 'finished':
      output.line(`run ${event.run}: ${event.status} after ${event.steps} steps${event.stoppedEarly ? ' (no better validation any more)' : ''}, ${count(event.tokensPerSecond)} tokens/s`);
      for (const line of metricsTable(event.metrics)) output.line(line);
      break;
    default:
      break;
  }
}

/** The weights to start from, as they were named on the command line. */
export function weightsOption(context: Context, options: Pick<TrainOptions, 'weights' | 'weightsFrom' | 'vocabulary'>): MethodInput<'runs.start'>['weights'] {
  const { weights, weightsFrom, vocabulary } = options;
  if (weights === undefined) {
    if (weightsFrom !== undefined || vocabulary !== undefined) throw usage('--weights-from and --vocabulary say how a file of weights is to be read: give it with --weights FILE');
    return null;
  }
  return { path: context.path(weights), from: weightsFrom ?? null, vocabulary: vocabulary === undefined ? null : context.path(vocabulary) };
}

/** Trains a configuration, or goes on with a run. */
export async function train(context: Context, file: string | undefined, options: TrainOptions): Promise<void> {
  const { workbench } = context;
  const { resume } = options;
  if (resume !== undefined) {
    if (file !== undefined || options.preset !== undefined || options.set !== undefined || options.dataset !== undefined || options.weights !== undefined) {
      throw usage('--resume goes on with the configuration of the run; leave out file, --preset, --dataset, --set and --weights');
    }
    return untilTrained(context, () => workbench.call('runs.continue', { id: resume }));
  }
  const weights = weightsOption(context, options);
  return untilTrained(context, async () => workbench.call('runs.start', { config: await readConfiguration(context, file, options), name: options.name ?? null, weights }));
}

/**
 * Begins a run and follows it to its end. The first Ctrl-C stops with a checkpoint and status 0, a second one ends the process at
 * once. A reader of the output that goes away (`| head -1`) stops it as the first Ctrl-C does, and so does an output that
 * cannot be written any more, which is then said and the status is 1. SIGTERM and a closed
 * terminal write a checkpoint and leave the run interrupted.
 */
export async function untilTrained({ workbench, output }: Context, begin: () => Promise<{ id: string }>): Promise<void> {
  let run: string | null = null;
  let stopping = false;
  const stop = (): void => {
    if (run !== null) workbench.call('runs.stop', { id: run }).catch((error: unknown) => output.error(error, false));
  };
  const onInterrupt = (): void => {
    if (stopping) process.exit(1);
    stopping = true;
    output.message('stopping: writing a checkpoint and evaluating the best one (press again to end at once)');
    stop();
  };
  const onReaderGone = (): void => {
    if (stopping) return;
    stopping = true;
    stop();
  };
  let terminate: () => void = () => undefined;
  const terminated = new Promise<'terminated'>((resolve) => (terminate = () => resolve('terminated')));

  const ended = new Promise<RunEvent>((resolve) => {
    workbench.on((event) => {
      if (event.type !== 'run') return;
      output.object({ ...event.event });
      tell({ output }, event.event);
      if (event.event.event === 'finished' || event.event.event === 'failed') resolve(event.event);
    });
  });
  const trainToEnd = async (): Promise<void> => {
    run = (await begin()).id;
    if (stopping) stop();
    const last = await Promise.race([ended, terminated]);
    if (last === 'terminated') {
      await workbench.shutdown();
      throw new SluiceError({ code: 'CANCELLED', message: `run ${run} was interrupted; go on with train --resume ${run}` });
    }
    if (last.event === 'failed') throw new SluiceError(last.error);
  };
  process.on('SIGINT', onInterrupt);
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, terminate);
  try {
    await untilReaderLeaves(onReaderGone, trainToEnd);
  } finally {
    process.off('SIGINT', onInterrupt);
    for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.off(signal, terminate);
  }
}
