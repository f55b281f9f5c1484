import { defineAsyncComponent, type Component } from 'vue';
import type { Screen } from './stores/screen';

/** Every `features/<name>/index.ts`: a screen is added by adding its folder. */
const modules = Object.values(import.meta.glob<{ screen: Screen }>('./features/*/index.ts', { eager: true }));

export const screens: Screen[] = modules.map((module) => module.screen).sort((a, b) => (a.order ?? Infinity) - (b.order ?? Infinity));

export const overlays: Component[] = screens.flatMap((screen) => (screen.overlay ? [defineAsyncComponent(screen.overlay)] : []));

/** Fetches the code of all screens once the first one stands, so that no later change waits for it. */
export function preloadScreens(): void {
  for (const screen of screens) void screen.component();
}
