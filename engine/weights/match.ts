import type { WeightsRemark } from '../contracts';
import { torchGates, type MatrixModule, type Module, type NormModule, type RecurrentDirection, type RecurrentModule } from './modules';
import { remark } from './remarks';
import { cellTensors, layerTensor, layerText, type TargetLayer, type TargetModel, type TensorShape } from './target';
import { reordered, transposed, type Matrix, type SourceTensor } from './tensors';

/** One tensor of the model, filled. */
export interface FilledTensor extends TensorShape {
  data: Float32Array;
  source: string;
}

/** Which tensors of a file fill which of a model; usable only without problems. */
export interface Fit {
  filled: FilledTensor[];
  problems: WeightsRemark[];
  notes: WeightsRemark[];
}

/** Tensors under the model's own names: a file that Sluice wrote. */
export function matchNames(tensors: readonly SourceTensor[], target: TargetModel): Fit {
  const fit: Fit = { filled: [], problems: [], notes: [] };
  const given = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  for (const wanted of target.tensors) {
    const found = given.get(wanted.name);
    if (!found) fit.problems.push(remark.missing(wanted.name, wanted.shape));
    else if (found.shape.join() !== wanted.shape.join()) fit.problems.push(remark.shape(found.name, found.shape, wanted.name, wanted.shape));
    else fit.filled.push({ ...wanted, data: found.data!, source: found.name });
  }
  const known = new Set(target.tensors.map(({ name }) => name));
  fit.problems.push(...tensors.filter(({ name }) => !known.has(name)).map(remark.surplus));
  return fit;
}

/**
 * Modules of another framework over the model's tensors: by kind, shape and natural order of names; where shapes leave a choice
 * between embedding and head, by name. Everything must be used and filled.
 */
export function matchModules(modules: readonly Module[], target: TargetModel): Fit {
  const fit: Fit = { filled: [], problems: [], notes: [] };
  const matrices = modules.filter((module): module is MatrixModule => module.kind === 'embedding' || module.kind === 'linear' || module.kind === 'matrix');
  fillLayers(modules.filter((module) => module.kind === 'recurrent'), target, fit);
  fillMatrices(matrices, target, fit);
  fillNorms(modules.filter((module) => module.kind === 'norm'), target, fit);
  fillInitial(target, fit);
  fit.problems.push(...target.attention.map(({ name, shape }) => remark.missing(name, shape)));
  return fit;
}

/** Whether a module computes a layer, up to its bias. */
function fits(module: RecurrentModule, layer: TargetLayer): boolean {
  const { foreign } = layer;
  return (
    foreign !== null && foreign.isExact && foreign.family === module.family &&
    module.inputSize === layer.inputSize && module.hiddenSize === layer.hiddenSize && module.outputSize === layer.outputSize &&
    (module.directions[0]!.projection !== null) === foreign.isProjected &&
    (module.resetAfter === null || module.resetAfter === foreign.resetAfter) &&
    (module.directions.length === 2) === layer.bidirectional
  );
}

/** Two arrays' worth of directions that stand next to each other become a layer where the model has one in both directions. */
function joined(modules: readonly RecurrentModule[], target: TargetModel): RecurrentModule[] {
  const result: RecurrentModule[] = [];
  for (let at = 0; at < modules.length; at += 1) {
    const [first, second] = [modules[at]!, modules[at + 1]];
    const wantsBoth = target.layers[result.length]?.bidirectional === true;
    const isPair = first.isUnnamed && second?.isUnnamed === true && first.directions.length === 1 && second.inputSize === first.inputSize && second.hiddenSize === first.hiddenSize;
    result.push(wantsBoth && isPair ? { ...first, directions: [...first.directions, ...second.directions] } : first);
    if (wantsBoth && isPair) at += 1;
  }
  return result;
}

function found(module: RecurrentModule): string {
  const { family, hiddenSize, inputSize, outputSize, resetAfter, directions } = module;
  const name = family === 'rnn' ? 'rnn' : family === 'gru' && resetAfter === false ? 'gru-reset-before' : directions[0]!.projection ? 'lstm-projection' : family;
  return layerText({ cell: { name }, hiddenSize, inputSize, outputSize, bidirectional: directions.length === 2 });
}

function fillLayers(given: readonly RecurrentModule[], target: TargetModel, fit: Fit): void {
  const modules = joined(given, target);
  if (modules.length !== target.layers.length) {
    fit.problems.push(remark.layers(target.layers.length, modules.length, modules.map(({ name }) => name).join(', ')));
    return;
  }
  const left = [...modules];
  for (const layer of target.layers) {
    const place = left.findIndex((module) => fits(module, layer));
    if (place < 0) {
      const next = left.shift()!;
      fit.problems.push(remark.layer(layer.index + 1, layerText(layer), next.name, found(next)));
      continue;
    }
    const [module] = left.splice(place, 1) as [RecurrentModule];
    module.directions.forEach((direction, side) => fillDirection(direction, layer, side === 1, fit));
  }
}

function fillDirection(direction: RecurrentDirection, layer: TargetLayer, reverse: boolean, fit: Fit): void {
  const { cell, foreign, hiddenSize } = layer;
  const stems = cellTensors(layer);
  const own = cell.gateOrder.map((gate) => torchGates[foreign!.family].indexOf(gate));
  const put = (stem: string, shape: number[], data: Float32Array, source: string): void => {
    fit.filled.push({ name: layerTensor(stem, layer.index, reverse), shape, data, source });
  };
  const rows = ({ rows: height, columns, data }: Matrix, stem: string, source: string): void => put(stem, [height, columns], reordered(data, own), source);
  rows(direction.input, stems.input, direction.names.input);
  rows(direction.recurrent, stems.recurrent, direction.names.recurrent);
  const { bias, recurrentBias, projection, names } = direction;
  if (projection) put(stems.projection, [projection.rows, projection.columns], projection.data, names.projection!);
  const zero = new Float32Array(own.length * hiddenSize);
  const biasTensor = (stem: string, data: Float32Array | null, source: string | null): void => {
    if (!data) fit.notes.push(remark.noBias(layerTensor(stem, layer.index, reverse)));
    put(stem, [zero.length], data ? reordered(data, own) : zero, source ?? '0');
  };
  if (stems.recurrentBias !== null) {
    biasTensor(stems.bias, bias, names.bias);
    // One bias serves both products; the other stays 0 without a word.
    if (recurrentBias || !bias) biasTensor(stems.recurrentBias, recurrentBias, names.recurrentBias);
    else put(stems.recurrentBias, [zero.length], zero, '0');
    return;
  }
  const sum = bias && recurrentBias ? bias.map((value, k) => value + recurrentBias[k]!) : (bias ?? recurrentBias);
  if (bias && recurrentBias) fit.notes.push(remark.mergedBias(layerTensor(stems.bias, layer.index, reverse)));
  biasTensor(stems.bias, sum, [names.bias, names.recurrentBias].filter((name) => name !== null).join(' + ') || null);
}

const embeddingName = /emb|wte|lookup|encoder|token/i;
const headName = /head|decoder|dense|linear|fc|out|logit|proj|classif/i;

function matrixShape({ weight }: MatrixModule): number[] {
  return [weight.rows, weight.columns];
}

/** A matrix of an unnamed list may be an embedding as it stands, or the kernel of a linear layer the other way round. */
function asHead(module: MatrixModule, isKeras: boolean): MatrixModule {
  return isKeras && module.kind === 'matrix' ? { ...module, weight: transposed(module.weight) } : module;
}

/** Whether the file has a head as `[inputs, outputs]`. */
function isTurned({ kind, names }: MatrixModule, isKerasList: boolean): boolean {
  return isKerasList || (kind === 'linear' && !names.weight.endsWith('weight'));
}

function fillMatrices(given: readonly MatrixModule[], target: TargetModel, fit: Fit): void {
  // In such a list the embedding comes first and the head last; nothing but its place says which is which.
  const isKerasList = given.some(({ kind, names }) => kind === 'matrix' && !names.weight.endsWith('weight'));
  const same = (shape: readonly number[], wanted: TensorShape): boolean => shape.join() === wanted.shape.join();
  const { embedding, head, isTied } = target;
  let left = [...given];
  const take = (module: MatrixModule): void => void (left = left.filter((each) => each !== module));
  const choose = (wanted: TensorShape, candidates: MatrixModule[], liked: RegExp, disliked: RegExp): MatrixModule | null => {
    if (candidates.length <= 1) return candidates[0] ?? null;
    const better = candidates.filter(({ name }) => liked.test(name) && !disliked.test(name));
    if (better.length === 1) return better[0]!;
    fit.problems.push(remark.ambiguous(wanted.name, candidates.map(({ names }) => names.weight).join(', ')));
    for (const each of candidates) take(each);
    return null;
  };
  if (isTied) {
    fillTied(left, take, target, fit);
  } else {
    const candidates = left.filter((module) => module.kind !== 'embedding' && same(matrixShape(asHead(module, isKerasList)), head.weight));
    const withBias = candidates.filter(({ bias }) => bias !== null);
    const chosen = isKerasList && withBias.length !== 1 ? (candidates.at(-1) ?? null) : choose(head.weight, withBias.length === 1 ? withBias : candidates, headName, embeddingName);
    if (chosen) {
      take(chosen);
      fit.filled.push({ ...head.weight, data: asHead(chosen, isKerasList).weight.data, source: chosen.names.weight });
      if (head.bias && !chosen.bias) fit.notes.push(remark.noBias(head.bias.name));
      if (head.bias) fit.filled.push({ ...head.bias, data: chosen.bias ?? new Float32Array(head.bias.shape[0]!), source: chosen.names.bias ?? '0' });
    } else if (!fit.problems.some(({ code, details }) => code === 'AMBIGUOUS' && details['target'] === head.weight.name)) {
      // The nearest that there is tells more than what is missing.
      const near = left.filter(({ kind, name }) => kind === 'linear' || headName.test(name)).at(-1);
      if (near) take(near);
      fit.problems.push(near ? remark.shape(near.names.weight, near.shape, head.weight.name, isTurned(near, isKerasList) ? head.weight.shape.toReversed() : head.weight.shape) : remark.missing(head.weight.name, head.weight.shape));
    }
  }
  if (embedding && !fit.filled.some(({ name }) => name === embedding.name)) {
    const candidates = left.filter((module) => module.bias === null && same(matrixShape(module), embedding));
    const chosen = isKerasList ? (candidates[0] ?? null) : choose(embedding, candidates, embeddingName, headName);
    if (chosen) {
      take(chosen);
      fit.filled.push({ ...embedding, data: chosen.weight.data, source: chosen.names.weight });
    } else if (!fit.problems.some(({ code, details }) => code === 'AMBIGUOUS' && details['target'] === embedding.name)) {
      const near = left.find(({ kind, name }) => kind === 'embedding' || embeddingName.test(name));
      if (near) take(near);
      fit.problems.push(near ? remark.shape(near.names.weight, near.shape, embedding.name, embedding.shape) : remark.missing(embedding.name, embedding.shape));
    }
  }
  for (const { names, shape, bias } of left) {
    fit.problems.push(remark.surplus({ name: names.weight, shape }));
    if (bias) fit.problems.push(remark.surplus({ name: names.bias!, shape: [bias.length] }));
  }
}

/** A shared matrix may stand in a file once or twice, and then it must be the same; the head's bias stands with a head, or alone is 0. */
function fillTied(left: readonly MatrixModule[], take: (module: MatrixModule) => void, { embedding, head }: TargetModel, fit: Fit): void {
  const same = left.filter(({ weight }) => [weight.rows, weight.columns].join() === head.weight.shape.join());
  const second = same.find(({ bias }) => bias !== null) ?? (same.length > 1 ? (same.find(({ name }) => headName.test(name) && !embeddingName.test(name)) ?? same.at(-1)) : undefined);
  const first = same.find((module) => module !== second);
  if (second && first && second.weight.data.some((value, k) => value !== first.weight.data[k])) {
    fit.problems.push(remark.shape(second.names.weight, second.shape, `the same matrix as ${first.names.weight} (model.tieWeights)`, first.shape));
  }
  if (second) take(second);
  // Where the head alone has the matrix, it is the embedding too.
  if (second && !first) fit.filled.push({ ...embedding!, data: second.weight.data, source: second.names.weight });
  if (!head.bias) return;
  if (!second?.bias) fit.notes.push(remark.noBias(head.bias.name));
  fit.filled.push({ ...head.bias, data: second?.bias ?? new Float32Array(head.bias.shape[0]!), source: second?.names.bias ?? '0' });
}

/** Normalisations in their natural order, each the next whose width is its layer's. */
function fillNorms(norms: readonly NormModule[], target: TargetModel, fit: Fit): void {
  const left = [...norms];
  for (const { norm } of target.layers) {
    if (!norm) continue;
    const place = left.findIndex(({ gain }) => gain.length === norm.gain.shape[0]);
    if (place < 0) {
      fit.problems.push(...[norm.gain, norm.bias].map(({ name, shape }) => remark.missing(name, shape)));
      continue;
    }
    const [found] = left.splice(place, 1) as [NormModule];
    fit.filled.push({ ...norm.gain, data: found.gain, source: found.names.gain });
    if (!found.bias) fit.notes.push(remark.noBias(norm.bias.name));
    fit.filled.push({ ...norm.bias, data: found.bias ?? new Float32Array(found.gain.length), source: found.names.bias ?? '0' });
  }
  for (const { names, gain, bias } of left) {
    fit.problems.push(remark.surplus({ name: names.gain, shape: [gain.length] }));
    if (bias) fit.problems.push(remark.surplus({ name: names.bias!, shape: [bias.length] }));
  }
}

/** Other frameworks' layers begin at zero: so does what is to be trained here. */
function fillInitial({ initial }: TargetModel, fit: Fit): void {
  for (const tensor of initial) {
    fit.filled.push({ ...tensor, data: new Float32Array(tensor.shape[0]!), source: '0' });
    fit.notes.push(remark.noBias(tensor.name));
  }
}
