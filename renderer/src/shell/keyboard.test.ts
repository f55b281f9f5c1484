import { createPinia, setActivePinia } from 'pinia';
import { beforeEach, expect, it, vi } from 'vitest';
import { useCommands } from '../stores/commands';
import { listenToKeys } from './keyboard';

vi.mock('../stores/shell', () => ({ useShell: () => ({ platform: 'linux' }) }));

type Heard = (event: KeyboardEvent) => void;
let capturing: Heard[];
let bubbling: Heard[];
let dialog: object | null;

/** A press on a control that prevents every Enter, as radio groups do. */
function pressOnControl(): void {
  let defaultPrevented = false;
  let stopped = false;
  const event = {
    key: 'Enter', code: 'Enter', ctrlKey: true, metaKey: false, altKey: false, shiftKey: false, isComposing: false, target: null,
    get defaultPrevented() { return defaultPrevented; },
    preventDefault: () => (defaultPrevented = true),
    stopPropagation: () => (stopped = true),
  } as unknown as KeyboardEvent;
  for (const heard of capturing) heard(event);
  if (!stopped) event.preventDefault();
  if (!stopped) for (const heard of bubbling) heard(event);
}

beforeEach(() => {
  setActivePinia(createPinia());
  [capturing, bubbling, dialog] = [[], [], null];
  vi.stubGlobal('HTMLElement', class {});
  vi.stubGlobal('Element', class {});
  vi.stubGlobal('document', { querySelector: () => dialog });
  vi.stubGlobal('window', { addEventListener: (_: string, heard: Heard, options?: { capture: boolean }) => (options?.capture ? capturing : bubbling).push(heard) });
});

it('takes Mod+Enter before a control that keeps every Enter, but not over a dialog', () => {
  const train = vi.fn();
  useCommands().register([{ id: 'model.train', title: '', keys: 'Mod+Enter', run: train }]);
  listenToKeys();
  pressOnControl();
  expect(train).toHaveBeenCalledTimes(1);
  dialog = {};
  pressOnControl();
  expect(train).toHaveBeenCalledTimes(1);
});
