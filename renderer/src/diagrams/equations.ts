import type { CellInfo } from '../../../engine/contracts';

/** One line of a cell: `signal`_t = `right`, and the key of what it means in `diagrams.meaning`. */
export interface Equation {
  signal: string;
  right: string;
  meaning: string;
}

const gate = (name: string, activation = 'σ') => `${activation}(W_{x${name}}x_{t} + W_{h${name}}h_{t−1} + b_{${name}})`;

/** Equations in the engine's own form (the GRU resets after the product); null for a cell that has none here. */
export function cellEquations(cell: Pick<CellInfo, 'signals'>): Equation[] | null {
  const names = new Set(cell.signals.map((signal) => signal.name));
  if (['f', 'i', 'g', 'o', 'c', 'h'].every((name) => names.has(name))) {
    return [
      { signal: 'f', right: gate('f'), meaning: 'forget' },
      { signal: 'i', right: gate('i'), meaning: 'input' },
      { signal: 'g', right: gate('g', 'tanh'), meaning: 'candidate' },
      { signal: 'o', right: gate('o'), meaning: 'output' },
      { signal: 'c', right: 'f_{t} ⊙ c_{t−1} + i_{t} ⊙ g_{t}', meaning: 'cell' },
      { signal: 'h', right: 'o_{t} ⊙ tanh(c_{t})', meaning: 'hidden' },
    ];
  }
  if (['r', 'z', 'n', 'h'].every((name) => names.has(name))) {
    return [
      { signal: 'r', right: gate('r'), meaning: 'reset' },
      { signal: 'z', right: gate('z'), meaning: 'update' },
      { signal: 'n', right: 'tanh(W_{xn}x_{t} + b_{xn} + r_{t} ⊙ (W_{hn}h_{t−1} + b_{hn}))', meaning: 'candidate' },
      { signal: 'h', right: '(1 − z_{t}) ⊙ n_{t} + z_{t} ⊙ h_{t−1}', meaning: 'blend' },
    ];
  }
  if (names.has('h') && names.size === 1) return [{ signal: 'h', right: 'tanh(W_{x}x_{t} + W_{h}h_{t−1} + b)', meaning: 'simple' }];
  return null;
}
