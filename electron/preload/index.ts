import { contextBridge, ipcRenderer, webUtils, type IpcRendererEvent } from 'electron';
import type { EngineState, ShellBridge } from '../../engine/contracts';
import { enginePortsMessage } from '../../engine/contracts/ports-message';
import { channels } from '../shared/channels';

type Reply = { ok: true; output: never } | { ok: false; error: unknown };

/** Calls `listener` with the message's content only: the page never gets hold of Electron's event. */
function subscribe<T>(channel: string, listener: (value: T) => void): () => void {
  const forward = (_event: IpcRendererEvent, value: T): void => listener(value);
  ipcRenderer.on(channel, forward);
  return () => void ipcRenderer.removeListener(channel, forward);
}

let nonce: string | null = null;

ipcRenderer.on(channels.ports, (event, message: { nonce: string }) => {
  // Only the page's own origin may receive the ports, and only the script that asked knows the nonce.
  if (message.nonce === nonce) window.postMessage({ type: enginePortsMessage, nonce }, location.origin, [...event.ports]);
});

const bridge: ShellBridge = {
  call: async (method, input) => {
    const reply = (await ipcRenderer.invoke(channels.call, method, input)) as Reply;
    // A plain object: an Error loses its code on the way into the page.
    if (!reply.ok) throw reply.error;
    return reply.output;
  },
  onEngineState: (listener) => subscribe<EngineState>(channels.engineState, listener),
  onCommand: (listener) => subscribe<string>(channels.command, listener),
  pathForFile: (file) => webUtils.getPathForFile(file as globalThis.File),
  requestEnginePorts: () => {
    nonce ??= [...crypto.getRandomValues(new Uint32Array(4))].map((part) => part.toString(36)).join('-');
    ipcRenderer.send(channels.requestPorts, nonce);
    return nonce;
  },
  platform: process.platform,
};

contextBridge.exposeInMainWorld('sluice', bridge);
