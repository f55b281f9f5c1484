import { SluiceError, shellInputs, toErrorShape, type ErrorShape, type ShellMethod } from '../../engine/contracts';

/** Answer of the shell on the `call` channel; the preload script turns it back into a value or a rejection. */
export type ShellReply = { ok: true; output: unknown } | { ok: false; error: ErrorShape };

export type ShellHandlers = { [M in ShellMethod]: (input: never) => unknown };

/** Who asks, as the main process sees it: the frame's address and whether it is the window's main frame. */
export interface Sender {
  url: string;
  isMainFrame: boolean;
}

function isShellMethod(method: unknown): method is ShellMethod {
  return typeof method === 'string' && Object.hasOwn(shellInputs, method);
}

/**
 * Answers one request of the window after two checks: the sender is the main frame of our own page, and the
 * input has the method's form. A refusal is an error with a code, never silence.
 */
export async function answerCall(
  sender: Sender | null,
  method: unknown,
  input: unknown,
  isOwn: (url: string) => boolean,
  handlers: ShellHandlers,
): Promise<ShellReply> {
  try {
    if (!sender || !sender.isMainFrame || !isOwn(sender.url)) {
      throw new SluiceError({ code: 'INPUT_INVALID', message: 'This page may not ask the shell.', where: sender?.url ?? 'a frame that is gone' });
    }
    if (!isShellMethod(method)) {
      throw new SluiceError({ code: 'INPUT_INVALID', message: `The shell has no method "${String(method).slice(0, 80)}".`, where: 'method' });
    }
    const parsed = shellInputs[method].safeParse(input);
    if (!parsed.success) {
      const issue = parsed.error.issues[0];
      throw new SluiceError({
        code: 'INPUT_INVALID',
        message: `${method}: ${issue?.message ?? 'invalid input'}`,
        where: issue?.path.join('.') ?? '',
      });
    }
    const handler = handlers[method] as (input: unknown) => unknown;
    return { ok: true, output: await handler(given(input, parsed.data)) };
  } catch (error) {
    return { ok: false, error: toErrorShape(error) };
  }
}

/** The parsed fields that were given: a schema's defaults must not overwrite what a partial change left out. */
function given(input: unknown, parsed: unknown): unknown {
  const keys = Object.keys(input as object);
  return Object.fromEntries(Object.entries(parsed as object).filter(([key]) => keys.includes(key)));
}
