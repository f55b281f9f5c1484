import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Menu, app, clipboard, dialog, ipcMain, nativeTheme, session, shell, type BrowserWindow, type IpcMainEvent, type IpcMainInvokeEvent, type MessagePortMain } from 'electron';
import type { Settings } from '../../engine/contracts';
import { channels } from '../shared/channels';
import { answerCall, type Sender, type ShellHandlers } from './call-guard';
import { copyPicture } from './clipboard';
import { createPortBroker } from './engine-ports';
import { spawnEngineHost } from './engine-process';
import { EngineSupervisor } from './engine-supervisor';
import { denyPermissions, guardPages } from './guards';
import { createLog } from './log';
import { languageOf, menuTexts } from './menu-texts';
import { menuTemplate } from './menus';
import { registerScheme, serveBundle } from './protocol';
import { isOwnPage } from './security';
import { createSettingsStore } from './settings-store';
import { createShellMethods } from './shell-methods';
import { bundlePaths, openWindow } from './window';
import { chooseWorkspace, workspaceArgument, workspaceKey } from './workspace-choice';

// An ESM main process must not await at top level: Electron waits for it before it is ready.
const home = app.getPath('userData');
const settings = createSettingsStore(join(home, 'settings.json'));
const workspace = chooseWorkspace({
  argument: workspaceArgument(process.argv),
  setting: settings.get().workspace,
  environment: process.env.SLUICE_WORKSPACE,
  from: process.cwd(),
});
// Lock, cache and place of the window belong to the workspace; settings to all of them.
const windowHome = join(home, 'windows', workspaceKey(workspace));
mkdirSync(windowHome, { recursive: true });
app.setPath('userData', windowHome);
const log = createLog(join(windowHome, 'shell.log'), () => new Date());

process.on('uncaughtException', (error) => log('error', `shell: ${error.stack ?? error.message}`));
process.on('unhandledRejection', (reason) => log('error', `shell: ${reason instanceof Error ? (reason.stack ?? reason.message) : String(reason)}`));

const paths = bundlePaths(import.meta.dirname);
/** The server of `npm run dev`; a packaged application knows none. */
const devServer = app.isPackaged ? undefined : process.env.ELECTRON_RENDERER_URL?.replace(/\/$/, '');
const isOwn = (url: string): boolean => isOwnPage(url, devServer);
const resources = app.isPackaged ? join(process.resourcesPath, 'app.asar.unpacked') : app.getAppPath();

let window: BrowserWindow | null = null;
let isQuitting = false;

const supervisor = new EngineSupervisor<MessagePortMain>({
  spawn: () => spawnEngineHost(paths.engineHost, (level, message) => log(level, `engine: ${message}`)),
  startMessage: () => ({
    type: 'start',
    workspace,
    samples: join(resources, 'samples'),
    threads: settings.get().threads,
  }),
  log,
  after: (milliseconds, action) => {
    const timer = setTimeout(action, milliseconds);
    return () => clearTimeout(timer);
  },
  now: () => performance.now(),
  platform: process.platform,
});

function showMenu(current: Settings): void {
  const texts = menuTexts[languageOf(current.language, app.getPreferredSystemLanguages()[0] ?? '')];
  Menu.setApplicationMenu(
    Menu.buildFromTemplate(menuTemplate(texts, process.platform, (command) => window?.webContents.send(channels.command, command))),
  );
}

function applySettings(current: Settings): void {
  nativeTheme.themeSource = current.theme;
  showMenu(current);
  supervisor.post({ type: 'settings', threads: current.threads });
}

function senderOf(event: IpcMainInvokeEvent | IpcMainEvent): Sender | null {
  const frame = event.senderFrame;
  if (!frame) return null;
  return { url: frame.url, isMainFrame: window !== null && !window.isDestroyed() && frame === window.webContents.mainFrame };
}

function listen(): void {
  const handlers = createShellMethods({
    electron: { app, dialog, clipboard, shell, nativeTheme },
    copyPicture,
    window: () => window,
    settings,
    settingsChanged: applySettings,
    engine: {
      get state() {
        return supervisor.state;
      },
      restart: () => supervisor.restart(),
    },
    workspace,
    log,
  });
  ipcMain.handle(channels.call, async (event, method: unknown, input: unknown) => {
    const reply = await answerCall(senderOf(event), method, input, isOwn, handlers as unknown as ShellHandlers);
    if (!reply.ok) log('warning', `${String(method).slice(0, 80)}: ${reply.error.message}`);
    return reply;
  });
  const broker = createPortBroker(supervisor);
  ipcMain.on(channels.requestPorts, (event, nonce: unknown) => {
    const sender = senderOf(event);
    if (!sender?.isMainFrame || !isOwn(sender.url) || typeof nonce !== 'string') {
      log('warning', 'a page that is not the window asked for the engine and was refused');
      return;
    }
    broker.request(event.sender, nonce);
  });
  supervisor.onState((state) => {
    if (window && !window.isDestroyed()) window.webContents.send(channels.engineState, state);
  });
}

function showWindow(): void {
  window = openWindow({ preload: paths.preload, stateFile: join(windowHome, 'window.json'), devServer, icon: join(resources, 'electron/icon.png'), log });
  window.on('closed', () => (window = null));
}

if (!app.requestSingleInstanceLock()) {
  // The window of this workspace is open already; it was told and comes to the front.
  app.exit(0);
} else {
  registerScheme();
  guardPages(app, devServer, log);
  app.on('second-instance', () => {
    if (!window) return;
    if (window.isMinimized()) window.restore();
    window.focus();
  });
  app.on('window-all-closed', () => app.quit());
  app.on('before-quit', (event) => {
    if (isQuitting) return;
    // A running training writes its checkpoint before the application is gone.
    event.preventDefault();
    isQuitting = true;
    void supervisor.stop().then(() => app.quit());
  });
  log('info', `Sluice ${app.getVersion()}, Electron ${process.versions.electron}, workspace ${workspace}`);
  supervisor.onState((state) => log(state.state === 'exited' ? 'warning' : 'info', `engine: ${state.state}`));
  void app.whenReady().then(() => {
    denyPermissions(session.defaultSession);
    serveBundle(paths.page);
    listen();
    supervisor.start();
    applySettings(settings.get());
    showWindow();
  });
}
