import { defineStore } from 'pinia';
import { ref, shallowRef } from 'vue';
import type { Method, MethodInput, MethodOutput, ProviderInfo, SystemInfo, WorkbenchEvent } from '../../../engine/contracts';
import { connectEngine, engine, type ConnectionState } from '../bridge';

/** The engine host as every store and screen reaches it: requests, events, and what it says of itself. */
export const useWorkbench = defineStore('workbench', () => {
  const connection = ref<ConnectionState>(engine.state);
  const info = shallowRef<SystemInfo | null>(null);
  const providers = shallowRef<ProviderInfo | null>(null);
  let timer: ReturnType<typeof setInterval> | null = null;

  async function refreshInfo(): Promise<void> {
    info.value = await engine.call('system.info', {});
  }

  async function loadProviders(): Promise<ProviderInfo> {
    providers.value ??= await engine.call('system.providers', {});
    return providers.value;
  }

  /** Takes the ports; `connected` runs now and after every restart of the engine, to read the lists again. */
  function start(connected: () => void): void {
    engine.onState((state) => {
      connection.value = state;
      if (state === 'connected') {
        void refreshInfo().catch(() => undefined);
        connected();
      }
    });
    connectEngine();
    // Memory in the status bar: often enough to watch a training, rarely enough to cost nothing.
    timer ??= setInterval(() => {
      if (connection.value === 'connected' && document.visibilityState === 'visible') void refreshInfo().catch(() => undefined);
    }, 4000);
  }

  return {
    connection,
    info,
    providers,
    start,
    loadProviders,
    call: <M extends Method>(method: M, input: MethodInput<M>): Promise<MethodOutput<M>> => engine.call(method, input),
    on: (listener: (event: WorkbenchEvent) => void): (() => void) => engine.on(listener),
  };
});
