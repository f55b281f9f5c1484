import type { IconName } from './icons';

/** One line of a menu; `separator` draws a hairline before it. At most ten, what destroys last. */
export interface MenuEntry {
  id: string;
  label: string;
  icon?: IconName;
  keys?: string;
  danger?: boolean;
  separator?: boolean;
  /** Ticked or not, for choices. */
  checked?: boolean;
  /** Why it cannot be chosen now. */
  blocked?: string | null;
  run: () => void | Promise<void>;
}
