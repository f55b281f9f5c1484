import { defineStore } from 'pinia';
import { shallowRef } from 'vue';
import type { ErrorShape } from '../../../engine/contracts';
import { errorShape } from '../bridge';
import { errorText } from '../locales/errors';

export interface Toast {
  id: number;
  tone: 'plain' | 'ok' | 'bad';
  title: string;
  text: string | null;
  action: { label: string; run: () => void | Promise<void> } | null;
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
  function show(title: string, options: { tone?: Toast['tone']; text?: string | null; action?: Toast['action'] } = {}): number {
    const toast: Toast = { id: nextId++, tone: options.tone ?? 'plain', title, text: options.text ?? null, action: options.action ?? null };
    // One cause may fail several requests: it is said once, as the newest.
    const others = list.value.filter((other) => toast.action || other.tone !== toast.tone || other.title !== toast.title || other.text !== toast.text);
    list.value = [...others.slice(-3), toast];
    setTimeout(() => dismiss(toast.id), toast.action || toast.tone === 'bad' ? longMs : shortMs);
    return toast.id;
  }

  /** Says what failed; a cancelled job needs no words. Returns the shape for callers that show it at a field too. */
  function fail(error: unknown): ErrorShape {
    const shape = errorShape(error);
    if (shape.code !== 'CANCELLED') {
      const { title, text, where } = errorText(shape);
      show(title, { tone: 'bad', text: [where, text].filter(Boolean).join(' · ') });
    }
    return shape;
  }

  return { list, show, fail, dismiss };
});
