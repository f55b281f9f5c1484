import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { SetupError } from '../lib/say.mjs';

/** @typedef {{ ask: (request: object) => Promise<any>, close: () => void }} Server */

/**
 * A program that answers each JSON line of its standard input with one line.
 * @param {string} command @param {string[]} args @returns {Server}
 */
export function openServer(command, args) {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const failed = new Promise((_, reject) => child.on('error', (error) => reject(new SetupError(`${command} does not start: ${error.message}`))));
  // Whoever asks next is told.
  failed.catch(() => {});
  return {
    async ask(request) {
      child.stdin.write(`${JSON.stringify(request)}\n`);
      const line = await Promise.race([lines.next(), failed]);
      if (line.done) throw new SetupError(`${command} ended without an answer; the reason is above`);
      const answer = JSON.parse(line.value);
      if (answer.event === 'error') throw new SetupError(`${JSON.stringify(request)}: ${answer.message}`);
      return answer;
    },
    close: () => child.stdin.end(),
  };
}
