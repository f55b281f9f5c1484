import { outputSize, type CellInfo, type RunConfig } from '../contracts';
import { problem, type FieldProblem } from './field-problems';

/** Options of the model that do not go together or do not fit its sizes, each at the field to change. */
export function layerProblems(config: RunConfig, cells: readonly CellInfo[]): FieldProblem[] {
  return [...widthProblems(config, cells), ...initializationProblems(config, cells)];
}

function widthProblems({ model, task }: RunConfig, cells: readonly CellInfo[]): FieldProblem[] {
  const found: FieldProblem[] = [];
  const outputs = model.layers.map((layer) => outputSize(layer, cells.find(({ name }) => name === layer.cell)) * (layer.bidirectional ? 2 : 1));
  const top = outputs.at(-1)!;
  if (model.tieWeights && task.kind !== 'language-model') {
    found.push(problem('model.tieWeights', 'TIE_WITHOUT_EMBEDDING', 'model.tieWeights is true, but only a language model has an embedding to tie to; set it to false', {}));
  } else if (model.tieWeights && model.embeddingSize !== top) {
    found.push(
      problem('model.embeddingSize', 'TIE_WIDTH', `model.embeddingSize is ${model.embeddingSize}; with model.tieWeights it must be the width of the last layer's output, ${top}`, { value: model.embeddingSize, wanted: top }),
    );
  }
  let input = task.kind === 'forecast' ? task.targets.length + task.covariates.length : model.embeddingSize;
  for (const [index, layer] of model.layers.entries()) {
    const output = outputs[index]!;
    if (layer.residual && input !== output) {
      const path = `model.layers.${index}.residual`;
      found.push(problem(path, 'RESIDUAL_WIDTH', `${path} is true, but the layer reads ${input} values and gives ${output}; make both equal or set it to false`, { input, output }));
    }
    input = output;
  }
  return found;
}

function initializationProblems({ model }: RunConfig, cells: readonly CellInfo[]): FieldProblem[] {
  const { forgetBias, chrono } = model.initialization;
  const path = (field: string): string => `model.initialization.${field}`;
  if (forgetBias !== null && chrono !== null) {
    return [problem(path('forgetBias'), 'TWO_GATE_BIASES', `${path('forgetBias')} and ${path('chrono')} set the same biases; set one of them to null`, {})];
  }
  if (forgetBias === null && chrono === null) return [];
  const known = model.layers.flatMap(({ cell }) => cells.filter(({ name }) => name === cell));
  // The engine knows which gate does what; here it is enough that a cell has one of those names.
  if (known.some(({ gateOrder }) => gateOrder.includes('f') || gateOrder.includes('z'))) return [];
  const field = path(chrono === null ? 'forgetBias' : 'chrono');
  return [problem(field, 'NO_MEMORY_GATE', `${field} is set, but no layer has a gate that keeps the memory; choose another cell or set it to null`, {})];
}
