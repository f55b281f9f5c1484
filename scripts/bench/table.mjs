/** @param {number} milliseconds */
const time = (milliseconds) => (milliseconds < 10 ? milliseconds.toFixed(3) : milliseconds.toFixed(1));

/** A step of a series of single steps is the whole series. @param {import('./turns.mjs').Row['shape']} shape */
const stepsOf = (shape) => (shape.mode === 'infer-step' ? Number(shape.sequenceLength) : 1);

/** @param {import('./turns.mjs').Row[]} rows */
export function markdown(rows) {
  const header = ['shape', 'cell', 'threads', 'kernel', 'best ms', 'median ms', 'of FMA peak', 'memory MB', 'beside', 'best ms', 'median ms', 'memory MB', 'ratio best', 'ratio median'];
  const lines = rows.map(({ shape, kernel, share, own, program, other, medianRatio }) => {
    const steps = stepsOf(shape);
    const beside = other
      ? [program ?? '', time(other.best / steps), time(other.median / steps), other.peakMegabytes.toFixed(0), (other.best / own.best).toFixed(2), (medianRatio ?? 0).toFixed(2)]
      : ['', '', '', '', '', ''];
    return [shape.name, shape.cell ?? '', String(shape.threads), kernel, time(own.best / steps), time(own.median / steps), `${(share * 100).toFixed(0)} %`, own.peakMegabytes.toFixed(0), ...beside];
  });
  return [header, header.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
