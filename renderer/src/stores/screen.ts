import type { Component } from 'vue';
import type { Command } from './commands';

/** What `features/<name>/index.ts` exports as `screen`: all the shell needs to know of a screen. */
export interface Screen {
  /** Also the folder's name and the key of its words: `data`, `model`, … */
  id: string;
  /** Message key of its name in the rail. */
  title: string;
  /** Name of an icon in ui/icons.ts. */
  icon: string;
  /** Position in the rail and the number key that opens it; null stands at the foot of the rail without a key. */
  order: number | null;
  component: () => Promise<{ default: Component }>;
  /** A component that lives outside the screen: a dialog that other screens open through a store. */
  overlay?: () => Promise<{ default: Component }>;
  /** Called once; what the palette, the menus and the keys reach, whichever screen is open. */
  commands?: () => Command[];
  /** A dot on its rail item, e.g. while a run trains. Read inside a computed value. */
  live?: () => boolean;
  /** What the title bar says after the workspace's name; null = the screen's title. Read inside a computed value. */
  crumb?: () => string[] | null;
}
