import { z } from 'zod';

/** Preferences of the application, kept by the shell in its own folder, outside any workspace. */
export const settings = z.strictObject({
  language: z.enum(['system', 'en', 'ko']).default('system'),
  theme: z.enum(['system', 'light', 'dark']).default('system'),
  motion: z.enum(['system', 'off']).default('system'),
  /** Threads of a training started in the window; null = physical cores − 1. */
  threads: z.int().min(1).max(256).nullable().default(null),
  device: z.enum(['cpu', 'cuda']).default('cpu'),
  /** null = `$SLUICE_WORKSPACE`, else `~/Sluice`. */
  workspace: z.string().nullable().default(null),
});
export type Settings = z.infer<typeof settings>;

export type EngineState =
  | { state: 'starting' }
  | { state: 'ready'; pid: number; restarts: number }
  | { state: 'exited'; code: number | null; signal: string | null; restarting: boolean; reason: string };

/** Requests of the window to the shell (main process); every input is validated there. */
export const shellInputs = {
  'settings.get': z.strictObject({}),
  'settings.set': settings.partial(),
  'dialog.open': z.strictObject({ purpose: z.enum(['dataset', 'onnx', 'input', 'weights', 'folder']) }),
  /** Asks for a place and writes the bytes there; used for charts and exports. */
  'dialog.save': z.strictObject({
    suggestedName: z.string().min(1).max(200),
    data: z.union([z.string().max(100_000_000), z.instanceof(Uint8Array)]),
  }),
  /** Asks for a place that the engine then writes to. */
  'dialog.place': z.strictObject({ suggestedName: z.string().min(1).max(200) }),
  /** Copies an exported file of the workspace to a place the user picks. */
  'dialog.saveCopy': z.strictObject({ source: z.string(), suggestedName: z.string().min(1).max(200) }),
  /** The clipboard's text, for a paste that its user asked for with a button. */
  'clipboard.read': z.strictObject({}),
  'clipboard.write': z.strictObject({ text: z.string().max(10_000_000) }),
  /** A chart as the bytes of a PNG. */
  'clipboard.writePicture': z.strictObject({ png: z.instanceof(Uint8Array).refine((bytes) => bytes.length > 0 && bytes.length <= 50_000_000) }),
  'shell.reveal': z.strictObject({ path: z.string() }),
  'engine.state': z.strictObject({}),
  'engine.restart': z.strictObject({}),
  'log.shell': z.strictObject({}),
  'window.control': z.strictObject({ action: z.enum(['minimize', 'maximize', 'close']) }),
  'app.info': z.strictObject({}),
} as const;

export interface ShellOutputs {
  'settings.get': Settings;
  'settings.set': Settings;
  'dialog.open': { paths: string[] };
  'dialog.save': { path: string | null };
  'dialog.place': { path: string | null };
  'dialog.saveCopy': { path: string | null };
  'clipboard.read': { text: string };
  'clipboard.write': { written: true };
  'clipboard.writePicture': { written: true };
  'shell.reveal': { shown: boolean };
  'engine.state': EngineState;
  'engine.restart': { state: EngineState };
  'log.shell': { time: string; level: 'info' | 'warning' | 'error'; source: 'shell'; message: string }[];
  'window.control': { maximized: boolean };
  'app.info': { version: string; electron: string; chromium: string; node: string; platform: string; systemLanguage: string };
}

export type ShellMethod = keyof typeof shellInputs & keyof ShellOutputs;

/** The only thing the preload script exposes: `window.sluice`. */
export interface ShellBridge {
  call<M extends ShellMethod>(method: M, input: z.input<(typeof shellInputs)[M]>): Promise<ShellOutputs[M]>;
  onEngineState(listener: (state: EngineState) => void): () => void;
  /** A command from the application menu, by its id in the command palette. */
  onCommand(listener: (command: string) => void): () => void;
  /** Path of a dropped file, empty for one that is not on the disk. */
  pathForFile(file: File): string;
  /**
   * Asks once for the ports of the engine host, now and after each of its restarts. Listen for
   * `enginePortsMessage` first; the nonce returned is the one every such message carries.
   */
  requestEnginePorts(): string;
  platform: string;
}

export { enginePortsMessage } from './ports-message';
