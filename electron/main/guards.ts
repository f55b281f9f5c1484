import type { App, Session } from 'electron';
import type { LogLine } from '../../engine/contracts';
import { isOwnPage } from './security';

/**
 * What no page may do, whatever it holds: leave the application, open a window, embed another page, or be
 * given a permission.
 */
export function guardPages(app: App, devServer: string | undefined, log: (level: LogLine['level'], message: string) => void): void {
  app.on('web-contents-created', (_event, contents) => {
    const refuse = (event: { preventDefault(): void }, address: string): void => {
      // Reloading the page is the only way to go.
      if (isOwnPage(address, devServer) && address.split('#')[0] === contents.getURL().split('#')[0]) return;
      event.preventDefault();
      log('warning', `navigation to ${address.slice(0, 200)} refused`);
    };
    contents.on('will-navigate', (event) => refuse(event, event.url));
    contents.on('will-frame-navigate', (event) => refuse(event, event.url));
    contents.on('will-redirect', (event) => refuse(event, event.url));
    contents.on('will-attach-webview', (event) => event.preventDefault());
    contents.setWindowOpenHandler(({ url }) => {
      log('warning', `a new window for ${url.slice(0, 200)} was refused`);
      return { action: 'deny' };
    });
  });
}

export function denyPermissions(session: Session): void {
  session.setPermissionRequestHandler((_contents, _permission, answer) => answer(false));
  session.setPermissionCheckHandler(() => false);
  session.setDevicePermissionHandler(() => false);
}
