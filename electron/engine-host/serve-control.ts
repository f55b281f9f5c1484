import { controlRequest, methodInputs, toErrorShape, type ControlMessage, type LogLine, type Method, type Workbench } from '../../engine/contracts';
import type { HostPort } from './port';

/**
 * Answers one window's requests on its control port and tells it what happens in the workbench. The form of a
 * message is checked here, the input of a method by the workbench. Ends with the port.
 */
export function serveControl(port: HostPort, workbench: Workbench, log: (level: LogLine['level'], message: string) => void): void {
  let isOpen = true;
  const send = (message: ControlMessage): void => {
    if (isOpen) port.postMessage(message);
  };
  const forget = workbench.on((event) => send({ kind: 'event', event }));

  const answer = async (raw: unknown): Promise<void> => {
    const parsed = controlRequest.safeParse(raw);
    if (!parsed.success) {
      log('warning', 'a request of unknown form was refused');
      const id = (raw as { id?: unknown } | null)?.id;
      if (typeof id === 'number' && Number.isInteger(id)) {
        send({ kind: 'error', id, error: { code: 'INPUT_INVALID', message: 'This is not a request.', where: parsed.error.issues[0]?.path.join('.') } });
      }
      return;
    }
    const { id, method, input } = parsed.data;
    if (!Object.hasOwn(methodInputs, method)) {
      send({ kind: 'error', id, error: { code: 'INPUT_INVALID', message: `The workbench has no method "${method.slice(0, 80)}".`, where: 'method' } });
      return;
    }
    try {
      send({ kind: 'result', id, output: await workbench.call(method as Method, input as never) });
    } catch (error) {
      const shape = toErrorShape(error);
      if (shape.code === 'INTERNAL') log('error', `${method}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      send({ kind: 'error', id, error: shape });
    }
  };

  port.on('message', (event) => void answer(event.data));
  port.on('close', () => {
    isOpen = false;
    forget();
  });
  port.start();
}
