import { defineStore } from 'pinia';
import { computed, shallowRef } from 'vue';
import { t } from '../locales';
import { useToasts } from './toasts';

export interface UndoStep {
  /** What was done, e.g. “Deleted run lstm-96”; as a function it follows a change of language. */
  label: string | (() => string);
  undo: () => void | Promise<void>;
  redo?: (() => void | Promise<void>) | undefined;
  /** Steps with the same key that follow each other count as one: scrubbing a number is one edit. */
  merge?: string | undefined;
}

const longestHistory = 100;
/** How long the status bar names what was taken back. */
const messageMs = 8000;

export const stepLabel = ({ label }: UndoStep): string => (typeof label === 'string' ? label : label());

/** What Ctrl/Cmd+Z takes back, across all screens. */
export const useUndo = defineStore('undo', () => {
  const done = shallowRef<UndoStep[]>([]);
  const undone = shallowRef<UndoStep[]>([]);
  /** What was last taken back or done again, for the status bar. */
  const message = shallowRef<string | null>(null);
  /** Messages that offer to take a step back; gone once it was, however that came about. */
  const offers = new Map<UndoStep, number>();
  let busy = false;

  /** Notes a step; `toast` also offers Undo in a message, for what removes something. */
  function record(step: UndoStep, options: { toast?: boolean } = {}): void {
    const last = done.value.at(-1);
    if (step.merge && last?.merge === step.merge) {
      done.value = [...done.value.slice(0, -1), { ...step, undo: last.undo }];
    } else {
      done.value = [...done.value, step].slice(-longestHistory);
    }
    undone.value = [];
    message.value = null;
    if (options.toast) {
      offers.set(step, useToasts().show(stepLabel(step), { action: { label: t('shell.undo'), run: () => undoStep(step) } }));
    }
  }

  async function undoStep(step: UndoStep): Promise<void> {
    if (!done.value.includes(step)) return;
    if (done.value.at(-1) === step) return undo();
    done.value = done.value.filter((other) => other !== step);
    await apply(step, 'undo');
  }

  function say(text: string): void {
    message.value = text;
    setTimeout(() => {
      if (message.value === text) message.value = null;
    }, messageMs);
  }

  async function apply(step: UndoStep, direction: 'undo' | 'redo'): Promise<boolean> {
    const offer = offers.get(step);
    if (offer !== undefined) useToasts().dismiss(offer);
    offers.delete(step);
    try {
      await (direction === 'undo' ? step.undo() : step.redo?.());
      say(t(direction === 'undo' ? 'shell.undone' : 'shell.redone', { what: stepLabel(step) }));
      return true;
    } catch (error) {
      useToasts().fail(error);
      return false;
    }
  }

  async function undo(): Promise<void> {
    const step = done.value.at(-1);
    if (!step || busy) return;
    busy = true;
    done.value = done.value.slice(0, -1);
    if ((await apply(step, 'undo')) && step.redo) undone.value = [...undone.value, step];
    busy = false;
  }

  async function redo(): Promise<void> {
    const step = undone.value.at(-1);
    if (!step || busy) return;
    busy = true;
    undone.value = undone.value.slice(0, -1);
    if (await apply(step, 'redo')) done.value = [...done.value, step];
    busy = false;
  }

  return { record, undo, redo, message, next: computed(() => done.value.at(-1) ?? null), nextRedo: computed(() => undone.value.at(-1) ?? null) };
});
