import { spawn } from 'node:child_process';
import { SetupError } from './say.mjs';

export const hasDisplay = () => process.platform !== 'linux' || Boolean(process.env.DISPLAY || process.env.WAYLAND_DISPLAY);

/**
 * A display for tests where there is none. Xvfb itself picks a free number and tells it through a pipe, so
 * that parallel tests never clash.
 * @returns {Promise<{ env: Record<string, string>, stop: () => void }>}
 */
export async function provideDisplay() {
  if (hasDisplay()) return { env: {}, stop: () => {} };
  const server = spawn('Xvfb', ['-displayfd', '3', '-screen', '0', '1600x1000x24', '-nolisten', 'tcp', '-noreset'], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  });
  const stop = () => void server.kill();
  const number = await new Promise((resolve, reject) => {
    let text = '';
    server.on('error', () => reject(new SetupError('there is no display and Xvfb could not be started')));
    server.on('exit', (code) => reject(new SetupError(`Xvfb ended with status ${code}`)));
    server.stdio[3]?.on('data', (chunk) => {
      text += String(chunk);
      if (text.includes('\n')) resolve(text.trim());
    });
  });
  process.once('exit', stop);
  return { env: { DISPLAY: `:${number}` }, stop };
}
