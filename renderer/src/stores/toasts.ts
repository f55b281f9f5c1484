import { defineStore } from 'pinia';
import { shallowRef } from 'vue';
import type { ErrorShape } from '../../../engine/contracts';
import { errorShape } from '../bridge';
import { errorText } from '../locales/errors';
import { useLog } from './log';

export interface Toast {
  id: number;
  tone: 'plain' | 'ok' | 'bad';
  title: string;
  text: string | null;
  action: { label: string; run: () => void | Promise<void> } | null;
  /** Of an error: its code, and what was being done. */
  failure: { code: string; of: string | null } | null;
}

/** How long a message stays; one with an action or an error waits longer. */
const shortMs = 5000;
const longMs = 12_000;

/** Short messages at the window's foot, newest last. */
export const useToasts = defineStore('toasts', () => {
  const list = shallowRef<Toast[]>([]);
  let nextId = 1;

  function dismiss(id: number): void {
    list.value = list.value.filter((toast) => toast.id !== id);
  }

  /** Shows a message and gives its id, for a caller whose message may lose its sense before its time. */
  function show(title: string, options: { tone?: Toast['tone']; text?: string | null; action?: Toast['action']; failure?: Toast['failure'] } = {}): number {
    const toast: Toast = { id: nextId++, tone: options.tone ?? 'plain', title, text: options.text ?? null, action: options.action ?? null, failure: options.failure ?? null };
    // One cause may fail several requests: it is said once, as the newest.
    const others = list.value.filter((other) => toast.action || other.tone !== toast.tone || other.title !== toast.title || other.text !== toast.text);
    list.value = [...others.slice(-3), toast];
    setTimeout(() => dismiss(toast.id), toast.action || toast.tone === 'bad' ? longMs : shortMs);
    return toast.id;
  }

  /**
   * Says what failed; a cancelled job needs no words. What is said at a field or in a dialog does not come here.
   * @param of what was being done, e.g. a command's id, for `succeeded` to take the message back
   */
  function fail(error: unknown, of: string | null = null): ErrorShape {
    const shape = errorShape(error);
    if (shape.code !== 'CANCELLED') {
      const { title, text, where } = errorText(shape);
      show(title, { tone: 'bad', text: [where, text].filter(Boolean).join(' · '), failure: { code: shape.code, of } });
      // A long message is cut in the window; the log has it whole.
      useLog().write('error', [title, where, text].filter(Boolean).join(' · '));
    }
    return shape;
  }

  /** What was done now: the message that it failed before has lost its sense. */
  function succeeded(of: string): void {
    list.value = list.value.filter((toast) => toast.failure?.of !== of);
  }

  /** Does something whose failure is said here, until it succeeds. */
  async function attempt(of: string, work: () => unknown): Promise<void> {
    try {
      await work();
      succeeded(of);
    } catch (error) {
      fail(error, of);
    }
  }

  /** The engine answers again: that it went away and is started is no news any more. */
  function engineReturned(): void {
    list.value = list.value.filter((toast) => toast.failure?.code !== 'ENGINE_EXITED');
  }

  return { list, show, fail, succeeded, attempt, engineReturned, dismiss };
});
