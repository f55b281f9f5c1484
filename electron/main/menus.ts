import type { MenuItemConstructorOptions } from 'electron';
import type { MenuTexts } from './menu-texts';

/** Ids of the command palette that the menu offers too. */
export const menuCommands = [
  'data.import',
  'models.open',
  'screen.data',
  'screen.model',
  'screen.train',
  'screen.models',
  'screen.settings',
  'palette',
  'model.train',
  'run.pauseOrResume',
  'run.stop',
  'log',
  'diagnostics',
] as const;
export type MenuCommand = (typeof menuCommands)[number];

/**
 * The application menu. The window answers the keys of its own commands itself, so the menu shows them without
 * taking them (macOS always takes them, and sends the command). On Linux and Windows the window draws its own
 * title bar and the menu is only the list of keys that work without the page: copy, paste, zoom.
 */
export function menuTemplate(texts: MenuTexts, platform: string, send: (command: MenuCommand) => void): MenuItemConstructorOptions[] {
  const isMac = platform === 'darwin';
  const command = (label: string, id: MenuCommand, accelerator?: string): MenuItemConstructorOptions => ({
    label,
    click: () => send(id),
    ...(accelerator !== undefined && { accelerator, registerAccelerator: false }),
  });
  const line: MenuItemConstructorOptions = { type: 'separator' };
  const settings = command(texts.settings, 'screen.settings', 'CmdOrCtrl+,');
  return [
    ...(isMac
      ? [
          {
            label: 'Sluice',
            submenu: [
              { role: 'about', label: texts.about },
              line,
              settings,
              line,
              { role: 'services', label: texts.services },
              line,
              { role: 'hide', label: texts.hide },
              { role: 'hideOthers', label: texts.hideOthers },
              { role: 'unhide', label: texts.showAll },
              line,
              { role: 'quit', label: texts.quit },
            ],
          } satisfies MenuItemConstructorOptions,
        ]
      : []),
    {
      label: texts.file,
      submenu: [
        command(texts.importData, 'data.import', 'CmdOrCtrl+O'),
        command(texts.openModel, 'models.open'),
        ...(isMac ? [] : [line, settings, line, { role: 'quit', label: texts.quit } satisfies MenuItemConstructorOptions]),
      ],
    },
    {
      label: texts.edit,
      submenu: [
        { role: 'undo', label: texts.undo },
        { role: 'redo', label: texts.redo },
        line,
        { role: 'cut', label: texts.cut },
        { role: 'copy', label: texts.copy },
        { role: 'paste', label: texts.paste },
        { role: 'selectAll', label: texts.selectAll },
      ],
    },
    {
      label: texts.view,
      submenu: [
        command(texts.data, 'screen.data', '1'),
        command(texts.model, 'screen.model', '2'),
        command(texts.train, 'screen.train', '3'),
        command(texts.models, 'screen.models', '6'),
        line,
        command(texts.palette, 'palette', 'CmdOrCtrl+K'),
        line,
        { role: 'zoomIn', label: texts.zoomIn },
        { role: 'zoomOut', label: texts.zoomOut },
        { role: 'resetZoom', label: texts.zoomReset },
        { role: 'togglefullscreen', label: texts.fullScreen },
      ],
    },
    {
      label: texts.run,
      submenu: [
        command(texts.startTraining, 'model.train', 'CmdOrCtrl+Enter'),
        command(texts.pauseOrResume, 'run.pauseOrResume'),
        command(texts.stopAndKeep, 'run.stop'),
      ],
    },
    { label: texts.window, submenu: [{ role: 'minimize', label: texts.minimize }, { role: 'close', label: texts.close }] },
    { label: texts.help, role: 'help', submenu: [command(texts.log, 'log'), command(texts.copyDiagnostics, 'diagnostics')] },
  ];
}
