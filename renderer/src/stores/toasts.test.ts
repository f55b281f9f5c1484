import { createPinia, setActivePinia } from 'pinia';
import { beforeEach, describe, expect, it } from 'vitest';
import type { ErrorShape } from '../../../engine/contracts';
import { RequestError } from '../bridge/client';
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

describe('toasts of failures', () => {
  beforeEach(() => setActivePinia(createPinia()));
  const refuse = (code: ErrorShape['code']) => () => Promise.reject(new RequestError({ code, message: 'no' }));
  const codes = () => useToasts().list.map((toast) => toast.failure?.code);

  it('go when what failed then succeeds, and only those', async () => {
    const toasts = useToasts();
    await toasts.attempt('run.pause', refuse('RUN_LOCKED'));
    await toasts.attempt('export', refuse('DISK_FULL'));
    expect(codes()).toEqual(['RUN_LOCKED', 'DISK_FULL']);
    await toasts.attempt('run.pause', () => undefined);
    expect(codes()).toEqual(['DISK_FULL']);
  });

  it('about an engine that is started again go once it answers', async () => {
    const toasts = useToasts();
    await toasts.attempt('a', refuse('ENGINE_EXITED'));
    await toasts.attempt('b', refuse('DISK_FULL'));
    toasts.engineReturned();
    expect(codes()).toEqual(['DISK_FULL']);
  });

  it('say nothing of what was cancelled', async () => {
    await useToasts().attempt('a', refuse('CANCELLED'));
    expect(codes()).toEqual([]);
  });
});
