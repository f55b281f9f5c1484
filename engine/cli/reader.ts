import { writeError } from '../workbench';

/**
 * Whoever reads what a command writes may go away before it ends: `| head -1`, a closed terminal. That is no error of the
 * command. One that only reads ends quietly; one that is at work says here how it ends in order. Where the output cannot be
 * written for another reason (`> file` on a full disk), a command ends in the same way, but says so and has failed.
 */
const gone = new Set(['EPIPE', 'EIO', 'ERR_STREAM_DESTROYED']);

let failure: { error: unknown } | null = null;

/** Says on standard error why the output could not be written; whether there was a reason. */
export function tellOutputFailure(): boolean {
  if (failure === null) return false;
  const { error } = failure;
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
  return true;
}

let leave: () => void = () => process.exit(tellOutputFailure() ? 1 : 0);
let hasLeft = false;

/** To be called once, before anything is written. Later writes go nowhere. */
export function watchReader(): void {
  for (const [stream, name] of [[process.stdout, 'standard output'], [process.stderr, 'standard error']] as const) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (hasLeft) return;
      hasLeft = true;
      if (!gone.has(error.code ?? '')) failure = { error: writeError(error, name) };
      leave();
    });
  }
}

/** To be called when a command is over: what remains to be written changes nothing of how it ended. */
export function isOver(): void {
  leave = () => undefined;
}

/** Does `work`; where its output leads nowhere meanwhile, `end` is called, once, in place of ending the process. */
export async function untilReaderLeaves<T>(end: () => void, work: () => Promise<T>): Promise<T> {
  const before = leave;
  leave = end;
  try {
    return await work();
  } finally {
    leave = before;
  }
}
