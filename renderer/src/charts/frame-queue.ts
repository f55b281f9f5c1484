type Task = () => void;

const waiting = new Map<object, Task>();
let scheduled = false;
/** Milliseconds of drawing per animation frame; what is left over waits for the next one. */
const budgetMs = 6;

/**
 * Draws soon: at most once per animation frame for each owner (the newest task wins), and only as many
 * owners as the budget allows, so that several charts never share one long frame.
 */
export function drawSoon(owner: object, task: Task): void {
  waiting.set(owner, task);
  if (!scheduled) {
    scheduled = true;
    requestAnimationFrame(drain);
  }
}

export function forgetDrawing(owner: object): void {
  waiting.delete(owner);
}

function drain(): void {
  const start = performance.now();
  for (const [owner, task] of [...waiting]) {
    waiting.delete(owner);
    task();
    if (performance.now() - start > budgetMs) break;
  }
  scheduled = waiting.size > 0;
  if (scheduled) requestAnimationFrame(drain);
}

/**
 * Takes over a size that a `ResizeObserver` reported. Changing the page inside its callback would change sizes again
 * before they are painted, which browsers refuse with an error.
 */
export function onNextFrame(task: Task): void {
  requestAnimationFrame(task);
}
