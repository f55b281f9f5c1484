import { layerForm, outputSize, type CellInfo, type RunConfig } from '../contracts';
import { problem, type FieldProblem } from './field-problems';

/** Options of the model that do not go together or do not fit its sizes, each at the field to change. */
export function layerProblems(config: RunConfig, cells: readonly CellInfo[]): FieldProblem[] {
  return [...widthProblems(config, cells), ...scanProblems(config, cells), ...initializationProblems(config, cells)];
}

/** A cell without a product from step to step is scanned: it has no weights to drop there, and no step at which to keep a state. */
function scanProblems({ model }: RunConfig, cells: readonly CellInfo[]): FieldProblem[] {
  return model.layers.flatMap((layer, index) => {
    const form = layerForm(cells, layer, index);
    if (form && form.states.length > 2) return scaledStates(layer, index);
    if (form?.names.recurrent !== null) return [];
    const at = (field: string): string => `model.layers.${index}.${field}`;
    const { cell, weightDrop, zoneoutHidden, zoneoutCell } = layer;
    const found: FieldProblem[] = [];
    if (weightDrop > 0) found.push(problem(at('weightDrop'), 'SCAN_WEIGHT_DROP', `${at('weightDrop')} is ${weightDrop}, but ${cell} has no recurrent weights to drop; set it to 0 or choose another cell`, { cell }));
    for (const [field, share] of [['zoneoutHidden', zoneoutHidden], ['zoneoutCell', zoneoutCell]] as const) {
      if (share > 0) found.push(problem(at(field), 'SCAN_ZONEOUT', `${at(field)} is ${share}, but ${cell} is scanned over all steps at once, where zoneout cannot keep a unit's state; set it to 0 or choose another cell`, { cell }));
    }
    return found;
  });
}

/** States that are scaled by one another, as those of sLSTM, cannot be kept one by one. */
function scaledStates({ cell, zoneoutHidden, zoneoutCell }: RunConfig['model']['layers'][number], index: number): FieldProblem[] {
  return [['zoneoutHidden', zoneoutHidden] as const, ['zoneoutCell', zoneoutCell] as const]
    .filter(([, share]) => share > 0)
    .map(([field, share]) => {
      const at = `model.layers.${index}.${field}`;
      return problem(at, 'SCALED_ZONEOUT', `${at} is ${share}, but ${cell} scales its states by one another, so zoneout cannot keep some of them; set it to 0 or choose another cell`, { cell });
    });
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
