import type { ShellBridge } from '../../../engine/contracts';

declare global {
  interface Window {
    sluice: ShellBridge;
  }
}

/** The shell's functions. The only reader of `window.sluice`. */
export function shellBridge(): ShellBridge {
  return window.sluice;
}
