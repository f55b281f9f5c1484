import { join } from 'node:path';
import { BrowserWindow, nativeTheme, screen } from 'electron';
import type { LogLine } from '../../engine/contracts';
import { startPage } from './security';
import { minimumSize, placeWindow, readWindowState, writeWindowState } from './window-state';

/** Surfaces of the two themes, so that the window never flashes before the page paints. */
const background = { light: '#eae9e4', dark: '#0c1113' };

export function openWindow(options: {
  preload: string;
  stateFile: string;
  devServer: string | undefined;
  icon: string;
  log: (level: LogLine['level'], message: string) => void;
}): BrowserWindow {
  const saved = readWindowState(options.stateFile);
  const window = new BrowserWindow({
    ...placeWindow(saved, screen.getAllDisplays().map((display) => display.workArea)),
    minWidth: minimumSize.width,
    minHeight: minimumSize.height,
    show: false,
    title: 'Sluice',
    icon: options.icon,
    backgroundColor: nativeTheme.shouldUseDarkColors ? background.dark : background.light,
    // The page draws its own title bar; macOS keeps its three buttons.
    ...(process.platform === 'darwin' ? { titleBarStyle: 'hiddenInset' as const, trafficLightPosition: { x: 12, y: 11 } } : { frame: false }),
    webPreferences: {
      preload: options.preload,
      sandbox: true,
      contextIsolation: true,
      nodeIntegration: false,
      nodeIntegrationInWorker: false,
      webSecurity: true,
      webviewTag: false,
      navigateOnDragDrop: false,
      spellcheck: false,
    },
  });
  if (saved?.isMaximized) window.maximize();
  window.once('ready-to-show', () => window.show());
  window.on('close', () => writeWindowState(options.stateFile, { ...window.getNormalBounds(), isMaximized: window.isMaximized() }));

  const contents = window.webContents;
  contents.on('render-process-gone', (_event, details) => {
    if (details.reason === 'clean-exit') return;
    options.log('error', `the page's process ended (${details.reason}) and is loaded again`);
    contents.reload();
  });
  contents.on('unresponsive', () => options.log('warning', 'the page does not respond'));
  contents.on('preload-error', (_event, _path, error) => options.log('error', `preload script: ${error.message}`));
  contents.on('console-message', (event, oldLevel, oldMessage) => {
    // Before Electron 35 level and text come as arguments, the level as a number.
    const level = event.level ?? ([, , 'warning', 'error'] as const)[oldLevel];
    if (level === 'error' || level === 'warning') options.log(level, `page: ${event.message ?? oldMessage}`);
  });
  void window.loadURL(options.devServer ?? startPage).catch((error: unknown) => {
    options.log('error', `the page could not be loaded: ${error instanceof Error ? error.message : String(error)}`);
    window.show();
  });
  return window;
}

/** Paths of the bundle, seen from the main process's own file in `out/main`. */
export function bundlePaths(mainFolder: string) {
  return {
    preload: join(mainFolder, '../preload/index.cjs'),
    page: join(mainFolder, '../renderer'),
    engineHost: join(mainFolder, 'engine-host.js'),
  };
}
