import type { ErrorShape, Method, MethodInput, MethodOutput, Workbench, WorkbenchEvent } from '../../../engine/contracts';
import type { ControlMessage, ControlRequest } from '../../../engine/contracts/wire';
import type { Port } from './port';

/** A failed request, as the engine host described it. */
export class RequestError extends Error {
  override readonly name = 'RequestError';

  constructor(readonly shape: ErrorShape) {
    super(shape.message);
  }
}

/** What happened, in the shape every error message of the window is made from. */
export function errorShape(error: unknown): ErrorShape {
  if (error instanceof RequestError) return error.shape;
  // The shell rejects with the bare shape: an Error loses its own fields between the preload's world and this one.
  if (isErrorShape(error)) return error;
  return { code: 'INTERNAL', message: error instanceof Error ? error.message : String(error) };
}

function isErrorShape(error: unknown): error is ErrorShape {
  return typeof error === 'object' && error !== null && !(error instanceof Error) && 'code' in error && 'message' in error;
}

/** `waiting` = no engine yet (requests wait), `connected`, `lost` = its port is gone (requests wait for the next one). */
export type ConnectionState = 'waiting' | 'connected' | 'lost';

export interface EngineClient extends Workbench {
  readonly state: ConnectionState;
  onState(listener: (state: ConnectionState) => void): () => void;
  /** Takes the control port of a (new) engine host; the old one's open requests are rejected first. */
  attach(port: Port): void;
  /** The host is gone: rejects every open request with `ENGINE_EXITED`, which says whether another is started by itself. */
  detach(restarting?: boolean): void;
}

interface PendingRequest {
  resolve(output: unknown): void;
  reject(error: RequestError): void;
}

interface WaitingRequest extends PendingRequest {
  request: ControlRequest;
}

const exited: ErrorShape = { code: 'ENGINE_EXITED', message: 'The engine ended before it answered. It is started again; try once more.' };
const stopped: ErrorShape = { code: 'ENGINE_EXITED', message: 'The engine ended before it answered. It is not started again by itself; start it from the bar above.', details: { restarting: false } };

/**
 * The workbench over a control port. A request made while no engine is connected waits for the next one;
 * a request that was under way when the engine died is rejected, since nobody knows how far it came.
 */
export function createEngineClient(): EngineClient {
  let port: Port | null = null;
  let state: ConnectionState = 'waiting';
  let nextId = 1;
  const pending = new Map<number, PendingRequest>();
  let waiting: WaitingRequest[] = [];
  const eventListeners = new Set<(event: WorkbenchEvent) => void>();
  const stateListeners = new Set<(state: ConnectionState) => void>();

  function setState(next: ConnectionState): void {
    if (state === next) return;
    state = next;
    for (const listener of stateListeners) listener(state);
  }

  function send({ request, resolve, reject }: WaitingRequest): void {
    pending.set(request.id, { resolve, reject });
    try {
      port!.postMessage(request);
    } catch (error) {
      // Only what cannot be cloned fails here; the request never left.
      pending.delete(request.id);
      reject(new RequestError({ code: 'INTERNAL', message: error instanceof Error ? error.message : String(error) }));
    }
  }

  function receive(message: ControlMessage): void {
    if (message.kind === 'event') {
      for (const listener of eventListeners) listener(message.event);
      return;
    }
    const request = pending.get(message.id);
    if (!request) return;
    pending.delete(message.id);
    if (message.kind === 'result') request.resolve(message.output);
    else request.reject(new RequestError(message.error));
  }

  function rejectPending(shape: ErrorShape): void {
    const open = [...pending.values()];
    pending.clear();
    for (const request of open) request.reject(new RequestError(shape));
  }

  return {
    get state() {
      return state;
    },
    onState(listener) {
      stateListeners.add(listener);
      return () => stateListeners.delete(listener);
    },
    attach(next) {
      if (port) {
        port.onmessage = null;
        port.close();
      }
      rejectPending(exited);
      port = next;
      next.onmessage = (event) => {
        if (port === next) receive(event.data as ControlMessage);
      };
      next.start?.();
      const queued = waiting;
      waiting = [];
      for (const request of queued) send(request);
      setState('connected');
    },
    detach(restarting = true) {
      if (port) {
        port.onmessage = null;
        port.close();
        port = null;
      }
      rejectPending(restarting ? exited : stopped);
      setState('lost');
    },
    call<M extends Method>(method: M, input: MethodInput<M>): Promise<MethodOutput<M>> {
      return new Promise<MethodOutput<M>>((resolve, reject) => {
        const request: WaitingRequest = {
          request: { id: nextId++, method, input },
          resolve: (output) => resolve(output as MethodOutput<M>),
          reject,
        };
        if (port) send(request);
        else waiting.push(request);
      });
    },
    on(listener) {
      eventListeners.add(listener);
      return () => eventListeners.delete(listener);
    },
  };
}
