import { layerConfig, type LayerConfig, type RunConfig } from '../contracts';
import type { MatrixModule, Module, RecurrentModule } from './modules';

/** What the model of a file would be in a configuration. */
export interface ProposedModel {
  embeddingSize: number | null;
  layers: LayerConfig[];
}

/** More tries than any stack needs: layers of the same sizes are never tried twice. */
const mostTries = 10_000;

/**
 * The stack that a file's modules form: each layer reads what the one before gives, the first the embedding or `inputs`
 * columns, the last is read by the head. Null where they form none. A plain network's activation and the reset of a GRU without
 * biases are not in the weights: they stay as the configuration has them.
 */
export function proposeModel(modules: readonly Module[], inputs: number | null, config: RunConfig, cells: readonly string[]): ProposedModel | null {
  const recurrent = modules.filter((module) => module.kind === 'recurrent');
  const matrices = modules.filter((module): module is MatrixModule => module.kind === 'embedding' || module.kind === 'linear' || module.kind === 'matrix');
  if (recurrent.length === 0) return null;
  const first = inputs === null ? new Set(matrices.map(({ weight }) => weight.columns)) : new Set([inputs]);
  const last = new Set(matrices.flatMap(({ kind, weight }) => (kind === 'matrix' ? [weight.columns, weight.rows] : [weight.columns])));
  for (const width of first) {
    const stack = chain(recurrent, width, last);
    if (!stack) continue;
    const norms = modules.filter((module) => module.kind === 'norm');
    const isNormed = norms.length === stack.length && stack.every(({ outputSize, directions }) => norms.some(({ gain }) => gain.length === outputSize * directions.length));
    const layers = stack.map((module, index): LayerConfig => {
      const cell = cellOf(module, config.model.layers[Math.min(index, config.model.layers.length - 1)]?.cell ?? null, cells);
      return layerConfig.parse({ cell, hiddenSize: module.hiddenSize, projectionSize: cell === 'lstm-projection' ? module.outputSize : null, bidirectional: module.directions.length === 2, layerNorm: isNormed });
    });
    return { embeddingSize: inputs === null ? width : null, layers };
  }
  return null;
}

function cellOf({ family, resetAfter, directions }: RecurrentModule, present: string | null, cells: readonly string[]): string {
  if (family === 'lstm') return directions[0]!.projection ? 'lstm-projection' : 'lstm';
  if (family === 'rnn') return present?.startsWith('rnn-') ? present : 'rnn-tanh';
  if (resetAfter === null && present?.startsWith('gru') && cells.includes(present)) return present;
  return resetAfter === false ? 'gru-reset-before' : 'gru';
}

/** The modules in an order in which they read each other; those without names keep theirs, and two of them may be one layer's directions. */
function chain(modules: readonly RecurrentModule[], width: number, last: ReadonlySet<number>): RecurrentModule[] | null {
  let tries = 0;
  const extend = (left: readonly RecurrentModule[], reads: number): RecurrentModule[] | null => {
    tries += 1;
    if (tries > mostTries) return null;
    if (left.length === 0) return last.size === 0 || last.has(reads) ? [] : null;
    const seen = new Set<string>();
    for (const [place, module] of (left[0]!.isUnnamed ? left.slice(0, 1) : left).entries()) {
      const { inputSize, outputSize, directions } = module;
      const key = [inputSize, outputSize, directions.length, module.family].join();
      if (inputSize !== reads || seen.has(key)) continue;
      seen.add(key);
      const rest = left.filter((_, k) => k !== place);
      const alone = extend(rest, outputSize * directions.length);
      if (alone) return [module, ...alone];
      const [second, ...more] = rest;
      if (!module.isUnnamed || second?.inputSize !== reads || second.outputSize !== outputSize || second.family !== module.family) continue;
      const both = extend(more, 2 * outputSize);
      if (both) return [{ ...module, directions: [...directions, ...second.directions] }, ...both];
    }
    return null;
  };
  return extend(modules, width);
}
