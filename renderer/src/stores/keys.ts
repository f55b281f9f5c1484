/** Keys as commands name them: `Mod+Shift+Z`, `Space`, `[`, `ArrowLeft`. */

const named: Record<string, string> = { ' ': 'Space', Escape: 'Escape' };

export function isMac(platform: string): boolean {
  return platform === 'darwin';
}

/** The name of a pressed key with its modifiers in fixed order: Mod, Alt, Shift. */
export function keyName(event: Pick<KeyboardEvent, 'key' | 'code' | 'ctrlKey' | 'metaKey' | 'altKey' | 'shiftKey'>, platform: string): string {
  const mod = isMac(platform) ? event.metaKey : event.ctrlKey;
  // With a modifier the letter on the key counts, not what a layout (Korean, say) makes of it.
  const letter = /^Key([A-Z])$/.exec(event.code)?.[1] ?? /^Digit(\d)$/.exec(event.code)?.[1];
  const key = named[event.key] ?? (letter && (mod || event.altKey || !/^[ -~]$/.test(event.key)) ? letter : event.key.length === 1 ? event.key.toUpperCase() : event.key);
  const shift = event.shiftKey && (key.length > 1 || /[A-Z]/.test(key));
  return `${mod ? 'Mod+' : ''}${event.altKey ? 'Alt+' : ''}${shift ? 'Shift+' : ''}${key}`;
}

/** Keys as people read them: `Ctrl Shift Z`, on macOS `⇧⌘Z`. */
export function keyLabel(keys: string, platform: string): string {
  const symbols: Record<string, string> = { Enter: '↵', ArrowLeft: '←', ArrowRight: '→', ArrowUp: '↑', ArrowDown: '↓', Escape: 'Esc' };
  const parts = keys.split(/\+(?=.)/).map((part) => symbols[part] ?? part);
  if (!isMac(platform)) return parts.map((part) => (part === 'Mod' ? 'Ctrl' : part)).join(' ');
  const mac: Record<string, string> = { Mod: '⌘', Alt: '⌥', Shift: '⇧' };
  return parts.map((part) => mac[part] ?? part).join('');
}

/** Whether a plain key belongs to what has the focus (typing) rather than to a command. */
export function typesText(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target instanceof HTMLTextAreaElement) return true;
  return target instanceof HTMLInputElement && !['checkbox', 'radio', 'range', 'button'].includes(target.type);
}
