import { constants, copyFile, realpath, writeFile } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import type { App, BrowserWindow, Clipboard, Dialog, FileFilter, NativeTheme, Shell } from 'electron';
import { SluiceError, type EngineState, type Settings, type ShellMethod, type ShellOutputs, type shellInputs } from '../../engine/contracts';
import type { z } from 'zod';
import type { ShellLog } from './log';
import { dialogTexts, languageOf } from './menu-texts';
import { saveFile } from './save-file';
import { isInside } from './security';
import type { SettingsStore } from './settings-store';

export interface ShellContext {
  electron: { app: App; dialog: Dialog; clipboard: Clipboard; shell: Shell; nativeTheme: NativeTheme };
  copyPicture(png: Uint8Array<ArrayBuffer>): Promise<void>;
  window(): BrowserWindow | null;
  settings: SettingsStore;
  settingsChanged(settings: Settings): void;
  engine: { state: EngineState; restart(): Promise<EngineState> };
  workspace: string;
  log: ShellLog;
}

type Handlers = { [M in ShellMethod]: (input: z.output<(typeof shellInputs)[M]>) => ShellOutputs[M] | Promise<ShellOutputs[M]> };

/** The eight bytes every PNG begins with. */
function isPng(bytes: Uint8Array): boolean {
  return [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a].every((byte, index) => bytes[index] === byte);
}

/** What the shell does for the window. Inputs have been checked; a failure is thrown as SluiceError. */
export function createShellMethods(context: ShellContext): Handlers {
  const { app, dialog, clipboard, shell } = context.electron;
  /** Files its user saved in this session: they may be shown in the file manager although they lie elsewhere. */
  const saved = new Set<string>();
  let lastFolder: string | null = null;

  const language = (): 'en' | 'ko' => languageOf(context.settings.get().language, app.getPreferredSystemLanguages()[0] ?? '');

  const requireWindow = (): BrowserWindow => {
    const window = context.window();
    if (!window) throw new SluiceError({ code: 'INTERNAL', message: 'There is no window.' });
    return window;
  };

  const askWhere = async (suggestedName: string): Promise<string | null> => {
    // The name comes from the page: it never names a folder.
    const name = basename(suggestedName.replaceAll('\\', '/'));
    const extension = extname(name).slice(1);
    const answer = await dialog.showSaveDialog(requireWindow(), {
      defaultPath: join(lastFolder ?? app.getPath('documents'), name),
      ...(extension && { filters: [{ name: extension.toUpperCase(), extensions: [extension] }] }),
    });
    if (answer.canceled || !answer.filePath) return null;
    lastFolder = dirname(answer.filePath);
    return answer.filePath;
  };

  /** The real path of something in the workspace or saved from here; anything else is refused. */
  const allowedPath = async (path: string): Promise<string> => {
    const real = await realpath(path).catch((error: unknown) => {
      throw new SluiceError({ code: 'FILE_NOT_FOUND', message: 'There is nothing at this path.', where: path }, { cause: error });
    });
    const workspace = await realpath(context.workspace).catch(() => context.workspace);
    if (!isInside(real, workspace) && !saved.has(real)) {
      throw new SluiceError({ code: 'INPUT_INVALID', message: 'This path lies outside the workspace.', where: path });
    }
    return real;
  };

  return {
    'settings.get': () => context.settings.get(),
    'settings.set': (change) => {
      const next = context.settings.set(change);
      context.settingsChanged(next);
      return next;
    },
    'dialog.open': async ({ purpose }) => {
      const texts = dialogTexts[language()];
      const filters: Record<'dataset' | 'onnx' | 'input' | 'weights', FileFilter[]> = {
        dataset: [
          { name: texts.data, extensions: ['txt', 'text', 'md', 'csv', 'tsv', 'parquet', 'jsonl', 'ndjson', 'json'] },
          { name: texts.all, extensions: ['*'] },
        ],
        onnx: [{ name: texts.onnx, extensions: ['onnx'] }],
        input: [{ name: texts.input, extensions: ['json', 'npz', 'safetensors', 'csv', 'tsv', 'txt'] }],
        weights: [{ name: texts.weights, extensions: ['safetensors', 'npz', 'h5'] }],
      };
      const answer = await dialog.showOpenDialog(
        requireWindow(),
        purpose === 'folder'
          ? { title: texts.folder, properties: ['openDirectory', 'createDirectory'], defaultPath: context.workspace }
          : { properties: ['openFile'], filters: filters[purpose], ...(lastFolder !== null && { defaultPath: lastFolder }) },
      );
      const paths = answer.canceled ? [] : answer.filePaths;
      if (purpose !== 'folder' && paths[0]) lastFolder = dirname(paths[0]);
      return { paths };
    },
    'dialog.save': async ({ suggestedName, data }) => {
      const path = await askWhere(suggestedName);
      if (path === null) return { path };
      await saveFile(path, (temporary) => writeFile(temporary, data, { flag: 'wx' }));
      saved.add(await realpath(path));
      return { path };
    },
    'dialog.place': async ({ suggestedName }) => ({ path: await askWhere(suggestedName) }),
    'dialog.saveCopy': async ({ source, suggestedName }) => {
      const from = await allowedPath(source);
      const path = await askWhere(suggestedName);
      if (path === null) return { path };
      await saveFile(path, (temporary) => copyFile(from, temporary, constants.COPYFILE_EXCL));
      saved.add(await realpath(path));
      return { path };
    },
    'clipboard.read': async () => ({ text: await clipboard.readText() }),
    'clipboard.write': async ({ text }) => {
      await clipboard.writeText(text);
      return { written: true };
    },
    'clipboard.writePicture': async ({ png }) => {
      if (!isPng(png)) throw new SluiceError({ code: 'INPUT_INVALID', message: 'These bytes are no PNG picture.', where: 'png' });
      await context.copyPicture(new Uint8Array(png));
      return { written: true };
    },
    'shell.reveal': async ({ path }) => {
      shell.showItemInFolder(await allowedPath(path));
      return { shown: true };
    },
    'engine.state': () => context.engine.state,
    'engine.restart': async () => ({ state: await context.engine.restart() }),
    'log.shell': () => context.log.lines(),
    'window.control': ({ action }) => {
      const window = requireWindow();
      if (action === 'minimize') window.minimize();
      if (action === 'maximize') {
        if (window.isMaximized()) window.unmaximize();
        else window.maximize();
      }
      const maximized = window.isMaximized();
      // After the answer is on its way: closing first would leave the page waiting.
      if (action === 'close') setImmediate(() => window.close());
      return { maximized };
    },
    'app.info': () => ({
      version: app.getVersion(),
      electron: process.versions.electron,
      chromium: process.versions.chrome,
      node: process.versions.node,
      platform: `${process.platform} ${process.arch} ${process.getSystemVersion()}`,
      systemLanguage: app.getPreferredSystemLanguages()[0] ?? app.getLocale(),
    }),
  };
}
