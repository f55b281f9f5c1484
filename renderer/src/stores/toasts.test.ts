import { createPinia, setActivePinia } from 'pinia';
import { beforeEach, describe, expect, it } from 'vitest';
import { useToasts } from './toasts';

describe('toasts', () => {
  beforeEach(() => setActivePinia(createPinia()));
  const titles = () => useToasts().list.map((toast) => toast.title);

  it('say the same thing once, as the newest', () => {
    const toasts = useToasts();
    for (const title of ['ended', 'saved', 'ended']) toasts.show(title, { tone: 'bad' });
    expect(titles()).toEqual(['saved', 'ended']);
    toasts.show('ended', { tone: 'bad', text: 'another place' });
    expect(titles()).toEqual(['saved', 'ended', 'ended']);
  });

  it('keep messages whose actions undo different things', () => {
    const toasts = useToasts();
    for (let count = 0; count < 2; count++) toasts.show('deleted', { action: { label: 'Undo', run: () => undefined } });
    expect(titles()).toEqual(['deleted', 'deleted']);
  });

  it('give an id to take them away with', () => {
    const toasts = useToasts();
    const first = toasts.show('one');
    toasts.show('two');
    toasts.dismiss(first);
    expect(titles()).toEqual(['two']);
  });
});
