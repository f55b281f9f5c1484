import { defineStore } from 'pinia';
import { computed, onActivated, onDeactivated, onMounted, onUnmounted, shallowRef } from 'vue';
import { useSession } from './session';
import { useToasts } from './toasts';

/** One action, reachable from the palette, by key, and from the application menu by its id. */
export interface Command {
  /** `run.pause`; stable, since menus name it. */
  id: string;
  /** Message key. */
  title: string;
  /** Values for the title. */
  values?: (() => Record<string, unknown>) | undefined;
  /** Message key of other words that people may look for it with, a menu's for instance. */
  words?: string | undefined;
  /** `Mod+Enter`, `Space`, `1`; `Mod` is Ctrl, on macOS Cmd. */
  keys?: string | undefined;
  /** The screen its keys belong to; other screens do not hear them. The palette opens it first. */
  screen?: string | undefined;
  /** False hides it. */
  when?: (() => boolean) | undefined;
  /** Why it cannot be done now, in words, or null. */
  blocked?: (() => string | null) | undefined;
  run: () => void | Promise<void>;
}

export const useCommands = defineStore('commands', () => {
  const registered = shallowRef<Command[]>([]);
  const paletteOpen = shallowRef(false);

  function register(commands: Command[]): () => void {
    const ids = new Set(commands.map((command) => command.id));
    registered.value = [...registered.value.filter((command) => !ids.has(command.id)), ...commands];
    return () => {
      registered.value = registered.value.filter((command) => !commands.includes(command));
    };
  }

  const available = computed(() => registered.value.filter((command) => command.when?.() ?? true));

  function find(id: string): Command | undefined {
    return available.value.find((command) => command.id === id);
  }

  /** Runs a command by its id; failures become a message. False where there is none or it is blocked. */
  async function run(id: string): Promise<boolean> {
    const command = find(id);
    if (!command || command.blocked?.()) return false;
    if (command.screen) useSession().open(command.screen);
    await useToasts().attempt(id, command.run);
    return true;
  }

  /** The command whose keys were pressed on the open screen. */
  function forKey(keys: string): Command | undefined {
    const screen = useSession().screen;
    return available.value.find((command) => command.keys === keys && (!command.screen || command.screen === screen));
  }

  return { registered, available, paletteOpen, register, find, run, forKey };
});

/** Registers commands while a component is shown (kept-alive screens included). */
export function useCommandScope(commands: Command[]): void {
  const store = useCommands();
  let leave: (() => void) | null = null;
  const enter = () => {
    leave ??= store.register(commands);
  };
  const exit = () => {
    leave?.();
    leave = null;
  };
  onMounted(enter);
  onActivated(enter);
  onDeactivated(exit);
  onUnmounted(exit);
}
