import { defineStore } from 'pinia';
import { ref, shallowRef } from 'vue';
import type { Screen } from './screen';

/** Where the user is: which screen, and which were there before. */
export const useSession = defineStore('session', () => {
  const screens = shallowRef<Screen[]>([]);
  const screen = ref('data');
  let chosen = false;

  /** Opens a screen that exists; unknown ids are ignored, since the rail shows only screens that work. */
  function open(id: string): void {
    if (!screens.value.some((candidate) => candidate.id === id)) return;
    chosen = true;
    screen.value = id;
  }

  /** The first screen of a session; it gives way once the user went anywhere. */
  function suggest(id: string): void {
    if (!chosen && screens.value.some((candidate) => candidate.id === id)) screen.value = id;
  }

  return { screens, screen, open, suggest };
});
