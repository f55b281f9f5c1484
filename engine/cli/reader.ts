/**
 * Whoever reads what a command writes may go away before it ends: `| head -1`, a closed terminal. That is no error of the
 * command. One that only reads ends quietly; one that is at work says here how it ends in order.
 */
const gone = new Set(['EPIPE', 'EIO', 'ERR_STREAM_DESTROYED']);

let leave: () => void = () => process.exit(0);
let hasLeft = false;

/** To be called once, before anything is written. Later writes go nowhere. */
export function watchReader(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (!gone.has(error.code ?? '')) throw error;
      if (hasLeft) return;
      hasLeft = true;
      leave();
    });
  }
}

/** Does `work`; where its reader goes away meanwhile, `end` is called, once, in place of ending the process. */
export async function untilReaderLeaves<T>(end: () => void, work: () => Promise<T>): Promise<T> {
  const before = leave;
  leave = end;
  try {
    return await work();
  } finally {
    leave = before;
  }
}
