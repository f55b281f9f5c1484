/** Steps of the recent past that the rate is measured over. */
const windowMs = 30_000;

export interface TimeLeft {
  /** Seconds until `totalSteps`, null while unknown. `elapsedMs` leaves pauses out. */
  update(step: number, elapsedMs: number, totalSteps: number | null): number | null;
}

/** Estimates from the steps of the last half minute, so that a slow start or another load does not stick. */
export function createTimeLeft(): TimeLeft {
  const seen: { step: number; elapsedMs: number }[] = [];
  return {
    update(step, elapsedMs, totalSteps) {
      const last = seen.at(-1);
      // A continued run starts again at an earlier step.
      if (last && (step < last.step || elapsedMs < last.elapsedMs)) seen.length = 0;
      seen.push({ step, elapsedMs });
      while (seen.length > 2 && elapsedMs - (seen[1]?.elapsedMs ?? elapsedMs) > windowMs) seen.shift();
      const first = seen[0];
      if (totalSteps === null || !first || first.step === step) return null;
      const msPerStep = (elapsedMs - first.elapsedMs) / (step - first.step);
      return (Math.max(0, totalSteps - step) * msPerStep) / 1000;
    },
  };
}
