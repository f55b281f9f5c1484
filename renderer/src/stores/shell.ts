import { defineStore } from 'pinia';
import { ref } from 'vue';
import type { EngineState, ShellOutputs } from '../../../engine/contracts';
import { shellBridge } from '../bridge';

/** The operating system's side: dialogs, clipboard, the window itself, and the engine's life as the shell sees it. */
export const useShell = defineStore('shell', () => {
  const platform = shellBridge().platform;
  const info = ref<ShellOutputs['app.info'] | null>(null);
  const engine = ref<EngineState>({ state: 'starting' });
  const maximized = ref(false);

  async function start(): Promise<void> {
    shellBridge().onEngineState((state) => {
      engine.value = state;
    });
    [engine.value, info.value] = await Promise.all([shellBridge().call('engine.state', {}), shellBridge().call('app.info', {})]);
  }

  return {
    platform,
    info,
    engine,
    maximized,
    start,
    /** Absolute paths of what the user picked, empty when the dialog was closed. */
    pickFiles: async (purpose: 'dataset' | 'onnx' | 'input' | 'weights' | 'folder') => (await shellBridge().call('dialog.open', { purpose })).paths,
    /** Asks for a place and writes there; the path, or null when the dialog was closed. */
    saveFile: async (suggestedName: string, data: string | Uint8Array<ArrayBuffer>) => (await shellBridge().call('dialog.save', { suggestedName, data })).path,
    /** Asks for a place that the engine then writes to; null when the dialog was closed. */
    pickPlace: async (suggestedName: string) => (await shellBridge().call('dialog.place', { suggestedName })).path,
    /** Copies an exported file of the workspace to a place the user picks. */
    saveCopy: async (source: string, suggestedName: string) => (await shellBridge().call('dialog.saveCopy', { source, suggestedName })).path,
    copyText: async (text: string) => {
      await shellBridge().call('clipboard.write', { text });
    },
    readText: async () => (await shellBridge().call('clipboard.read', {})).text,
    copyPicture: async (png: Uint8Array<ArrayBuffer>) => {
      await shellBridge().call('clipboard.writePicture', { png });
    },
    reveal: async (path: string) => (await shellBridge().call('shell.reveal', { path })).shown,
    /** Path of a dropped file, null for one that is not on the disk. */
    pathOf: (file: File): string | null => shellBridge().pathForFile(file) || null,
    restartEngine: async () => {
      engine.value = (await shellBridge().call('engine.restart', {})).state;
    },
    log: () => shellBridge().call('log.shell', {}),
    control: async (action: 'minimize' | 'maximize' | 'close') => {
      maximized.value = (await shellBridge().call('window.control', { action })).maximized;
    },
    onMenuCommand: (listener: (command: string) => void) => shellBridge().onCommand(listener),
  };
});
