import { useCommands } from '../stores/commands';
import { keyName, typesText } from '../stores/keys';
import { useShell } from '../stores/shell';

/**
 * Keys of commands, heard at the window's end of the bubbling: whatever has the focus is asked first and may keep a
 * key by `preventDefault`. Plain keys are left alone while someone types; in a dialog or menu all are but the palette's.
 */
export function listenToKeys(): void {
  const press = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || event.isComposing) return;
    const keys = keyName(event, useShell().platform);
    const hasModifier = /^(Mod|Alt)\+/.test(keys);
    if (!hasModifier && typesText(event.target)) return;
    // Space and Enter press the focused button.
    if ((keys === 'Space' || keys === 'Enter') && event.target instanceof Element && event.target.closest('button, a, [role="option"], [role="menuitem"], [role="radio"]')) return;
    // The text field's own undo comes first while it is edited.
    if (keys.endsWith('Mod+Z') && typesText(event.target)) return;
    if (keys !== 'Mod+K' && document.querySelector('[role="dialog"], [role="menu"], [role="listbox"][data-state="open"]')) return;
    const command = useCommands().forKey(keys);
    if (!command) return;
    event.preventDefault();
    event.stopPropagation();
    void useCommands().run(command.id);
  };
  // Toggles, radio groups and selects prevent every Enter, also one with a modifier: it is taken before they hear it.
  window.addEventListener('keydown', (event) => {
    if (keyName(event, useShell().platform) === 'Mod+Enter' && !typesText(event.target)) press(event);
  }, { capture: true });
  window.addEventListener('keydown', press);
}
