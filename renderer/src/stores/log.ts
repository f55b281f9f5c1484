import { defineStore } from 'pinia';
import { ref, shallowRef } from 'vue';
import type { LogLine } from '../../../engine/contracts';
import { useShell } from './shell';
import { useWorkbench } from './workbench';

const longest = 2000;

/** The log of window, shell and engine in one list, oldest first. */
export const useLog = defineStore('log', () => {
  const open = ref(false);
  const lines = shallowRef<LogLine[]>([]);
  let own: LogLine[] = [];
  let live: LogLine[] = [];

  function add(line: LogLine): void {
    if (line.source === 'window') own = [...own, line].slice(-longest);
    else live = [...live, line].slice(-longest);
    lines.value = [...lines.value, line].slice(-longest);
  }

  function write(level: LogLine['level'], message: string): void {
    add({ time: new Date().toISOString(), level, source: 'window', message });
  }

  function start(): void {
    useWorkbench().on((event) => {
      if (event.type === 'log') add(event.line);
    });
    window.addEventListener('error', (event) => write('error', event.error instanceof Error ? (event.error.stack ?? event.message) : event.message));
    window.addEventListener('unhandledrejection', (event) => {
      const reason: unknown = event.reason;
      write('error', reason instanceof Error ? (reason.stack ?? reason.message) : String(reason));
    });
  }

  /** Reads what shell and engine logged before; an engine that is gone leaves what came live. */
  async function load(): Promise<void> {
    const workbench = useWorkbench();
    const [shell, engine] = await Promise.all([
      useShell().log().catch(() => []),
      workbench.connection === 'connected' ? workbench.call('system.log', {}).catch(() => live) : Promise.resolve(live),
    ]);
    lines.value = [...shell, ...engine, ...own].sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0)).slice(-longest);
  }

  /** Versions, machine and log as plain text, for a report. Holds paths, so its reader is told before it is sent anywhere. */
  async function diagnostics(): Promise<string> {
    await load();
    const shell = useShell();
    const workbench = useWorkbench();
    const facts = { application: shell.info, engine: shell.engine, system: workbench.info, providers: workbench.providers };
    return [JSON.stringify(facts, null, 2), '', ...lines.value.map((line) => `${line.time} ${line.level} ${line.source} ${line.message}`)].join('\n');
  }

  return { open, lines, write, start, load, diagnostics };
});
