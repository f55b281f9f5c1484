import { utilityProcess, type MessagePortMain } from 'electron';
import type { LogLine } from '../../engine/contracts';
import type { HostProcess } from './engine-supervisor';

/**
 * The engine host as a utility process of Electron. What it prints (a native library's last words, a Node
 * warning) goes to the log line by line.
 */
export function spawnEngineHost(entry: string, log: (level: LogLine['level'], message: string) => void): HostProcess<MessagePortMain> {
  const child = utilityProcess.fork(entry, [], { serviceName: 'Sluice engine', stdio: 'pipe' });
  for (const [stream, level] of [[child.stdout, 'info'], [child.stderr, 'warning']] as const) {
    let rest = '';
    stream?.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line.trim()) log(level, line);
    });
  }
  return {
    get pid() {
      return child.pid;
    },
    post: (message, ports) => child.postMessage(message, ports),
    onMessage: (listener) => void child.on('message', listener),
    onExit: (listener) => void child.on('exit', listener),
    kill: () => {
      // child.kill() asks politely; one that hangs in native code would not listen.
      if (child.pid !== undefined) process.kill(child.pid, 'SIGKILL');
    },
  };
}
