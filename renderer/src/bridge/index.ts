import { enginePortsMessage } from '../../../engine/contracts/ports-message';
import { createEngineClient } from './client';
import { createFrameClient } from './frames';
import { shellBridge } from './shell';

export type { ConnectionState, EngineClient } from './client';
export { errorShape, RequestError } from './client';
export type { FrameClient } from './frames';
export { shellBridge } from './shell';

/** One engine per window; both live as long as it does. */
export const engine = createEngineClient();
export const frames = createFrameClient();

/** Asks the shell for the engine's ports and takes them, now and after every restart of the engine host. */
export function connectEngine(): void {
  const shell = shellBridge();
  let nonce: string | null = null;
  window.addEventListener('message', (event: MessageEvent<{ type?: unknown; nonce?: unknown }>) => {
    if (event.source !== window || event.origin !== window.location.origin) return;
    if (event.data?.type !== enginePortsMessage || nonce === null || event.data.nonce !== nonce) return;
    const [control, frame] = event.ports;
    if (!control || !frame) return;
    engine.attach(control);
    frames.attach(frame);
  });
  shell.onEngineState((state) => {
    if (state.state !== 'exited') return;
    engine.detach(state.restarting);
    frames.detach();
  });
  nonce = shell.requestEnginePorts();
}
