import { MessageChannelMain, type MessagePortMain, type WebContents } from 'electron';
import { channels } from '../shared/channels';
import type { EngineSupervisor } from './engine-supervisor';

/**
 * Hands the engine host's ports (control, frames) to the page that asked for them: at once where the host is
 * ready, and again after each of its restarts. The nonce tells the page's own script from anybody else.
 */
export function createPortBroker(supervisor: EngineSupervisor<MessagePortMain>) {
  let wanted: { page: WebContents; nonce: string } | null = null;

  const handOver = (): void => {
    if (!wanted || wanted.page.isDestroyed() || supervisor.state.state !== 'ready') return;
    const control = new MessageChannelMain();
    const frames = new MessageChannelMain();
    if (supervisor.post({ type: 'ports' }, [control.port1, frames.port1])) {
      wanted.page.postMessage(channels.ports, { nonce: wanted.nonce }, [control.port2, frames.port2]);
    }
  };
  supervisor.onState((state) => {
    if (state.state === 'ready') handOver();
  });

  return {
    request(page: WebContents, nonce: string): void {
      wanted = { page, nonce };
      handOver();
    },
  };
}
