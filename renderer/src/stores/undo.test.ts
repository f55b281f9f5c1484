import { createPinia, setActivePinia } from 'pinia';
import { beforeEach, describe, expect, it } from 'vitest';
import { useToasts } from './toasts';
import { useUndo } from './undo';

describe('undo', () => {
  beforeEach(() => setActivePinia(createPinia()));

  function counter() {
    const state = { value: 0 };
    const set = (next: number, merge?: string) => {
      const before = state.value;
      state.value = next;
      useUndo().record({ label: `set ${next}`, merge, undo: () => void (state.value = before), redo: () => void (state.value = next) });
    };
    return { state, set };
  }

  it('takes back the newest step first and does it again', async () => {
    const { state, set } = counter();
    set(1);
    set(2);
    await useUndo().undo();
    expect(state.value).toBe(1);
    await useUndo().undo();
    expect(state.value).toBe(0);
    await useUndo().redo();
    expect(state.value).toBe(1);
    expect(useUndo().message).toContain('set 1');
  });

  it('counts edits of one field in a row as one step', async () => {
    const { state, set } = counter();
    for (const value of [1, 2, 3]) set(value, 'hiddenSize');
    set(4, 'dropout');
    await useUndo().undo();
    expect(state.value).toBe(3);
    await useUndo().undo();
    expect(state.value).toBe(0);
  });

  it('forgets what was undone once something new is done', async () => {
    const { state, set } = counter();
    set(1);
    await useUndo().undo();
    set(5);
    await useUndo().redo();
    expect(state.value).toBe(5);
    expect(useUndo().nextRedo).toBeNull();
  });

  it('does not offer a step that could not be taken back', async () => {
    useUndo().record({ label: 'broken', undo: () => Promise.reject(new Error('gone')) });
    await useUndo().undo();
    expect(useUndo().message).toBeNull();
    expect(useUndo().next).toBeNull();
  });

  it('lets the message that offers a step go once the step was taken back by a key', async () => {
    useUndo().record({ label: 'deleted', undo: () => undefined }, { toast: true });
    useUndo().record({ label: 'deleted too', undo: () => undefined }, { toast: true });
    expect(useToasts().list.map((toast) => toast.title)).toEqual(['deleted', 'deleted too']);
    await useUndo().undo();
    expect(useToasts().list.map((toast) => toast.title)).toEqual(['deleted']);
  });
});
