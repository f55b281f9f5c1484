import { setTimeout as pause } from 'node:timers/promises';

/** @typedef {{ name: string, mode: string, cell?: string, [field: string]: unknown }} Shape */
/** @typedef {{ best: number, median: number, peakMegabytes: number }} Figures */
/** @typedef {{ shape: Shape & { threads: number }, kernel: string, share: number, own: Figures, program: string | null, other: Figures | null, medianRatio: number | null }} Row */

/** Idle threads of the one program would keep spinning into the other's turn. */
const restMs = 300;

/** @param {number[]} values */
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/**
 * Measures a shape in both programs, A B B A …: on a machine that others use, too, only neighbours compare.
 * @param {Shape & { threads: number }} shape @param {import('./server.mjs').Server} sluice
 * @param {import('./server.mjs').Server | null} other @param {{ rounds: number, seconds: number }} effort @returns {Promise<Row>}
 */
export async function inTurns(shape, sluice, other, { rounds, seconds }) {
  const asked = { ...shape, seconds };
  /** @type {any[]} */
  const own = [];
  /** @type {any[]} */
  const others = [];
  for (let round = 0; round < rounds; round++) {
    const turns = [{ server: sluice, answers: own }, ...(other ? [{ server: other, answers: others }] : [])];
    for (const { server, answers } of round % 2 === 0 ? turns : turns.reverse()) {
      answers.push(await server.ask(asked));
      await pause(restMs);
    }
  }
  /** @param {any[]} answers @returns {Figures} */
  const figures = (answers) => ({
    best: Math.min(...answers.map((answer) => answer.stepMilliseconds.min)),
    median: median(answers.map((answer) => answer.stepMilliseconds.median)),
    peakMegabytes: Math.max(...answers.map((answer) => answer.peakMegabytes)),
  });
  return {
    shape,
    kernel: own[0].kernel,
    share: Math.max(...own.map((answer) => answer.gigaflops)) / Math.max(...own.map((answer) => answer.peakGigaflops)),
    own: figures(own),
    program: others[0]?.program ?? null,
    other: others.length > 0 ? figures(others) : null,
    medianRatio: others.length > 0 ? median(others.map((answer, round) => answer.stepMilliseconds.median / own[round].stepMilliseconds.median)) : null,
  };
}
