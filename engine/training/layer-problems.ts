import { keepsMemory, layerForm, outputSize, refusedOptions, type CellInfo, type Refusal, type RefusableOption, type RunConfig } from '../contracts';
import { problem, type FieldProblem } from './field-problems';

/** Options of the model that do not go together or do not fit its sizes, each at the field to change. `entries`: size of a dataset's vectors. */
export function layerProblems(config: RunConfig, cells: readonly CellInfo[], entries = 0): FieldProblem[] {
  return [...widthProblems(config, cells, entries), ...refusals(config, cells), ...initializationProblems(config, cells)];
}

const refusalTexts: Record<Refusal, (cell: string) => string> = {
  SCAN_WEIGHT_DROP: (cell) => `${cell} has no recurrent weights to drop`,
  SCAN_ZONEOUT: (cell) => `${cell} is scanned over all steps at once, where zoneout cannot keep a unit's state`,
  SCALED_ZONEOUT: (cell) => `${cell} scales its states by one another, so zoneout cannot keep some of them`,
};

/** Options that a layer's cell cannot have. */
function refusals({ model }: RunConfig, cells: readonly CellInfo[]): FieldProblem[] {
  return model.layers.flatMap((layer, index) =>
    (Object.entries(refusedOptions(layerForm(cells, layer, index))) as [RefusableOption, Refusal][])
      .filter(([field]) => layer[field] > 0)
      .map(([field, code]) => {
        const at = `model.layers.${index}.${field}`;
        return problem(at, code, `${at} is ${layer[field]}, but ${refusalTexts[code](layer.cell)}; set it to 0 or choose another cell`, { cell: layer.cell });
      }),
  );
}

function widthProblems({ model, task }: RunConfig, cells: readonly CellInfo[], entries: number): FieldProblem[] {
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
  let input = inputWidth(model, task, entries);
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

/** What the lowest layer reads at a step. */
function inputWidth(model: RunConfig['model'], task: RunConfig['task'], entries: number): number {
  if (task.kind === 'forecast') return task.targets.length + task.covariates.length;
  if (task.kind === 'regress') return task.inputs.length;
  return task.kind === 'binary-vectors' ? entries : model.embeddingSize;
}

function initializationProblems({ model }: RunConfig, cells: readonly CellInfo[]): FieldProblem[] {
  const { forgetBias, chrono } = model.initialization;
  const path = (field: string): string => `model.initialization.${field}`;
  if (forgetBias !== null && chrono !== null) {
    return [problem(path('forgetBias'), 'TWO_GATE_BIASES', `${path('forgetBias')} and ${path('chrono')} set the same biases; set one of them to null`, {})];
  }
  if (forgetBias === null && chrono === null) return [];
  const known = model.layers.flatMap(({ cell }) => cells.filter(({ name }) => name === cell));
  if (known.some(keepsMemory)) return [];
  const field = path(chrono === null ? 'forgetBias' : 'chrono');
  return [problem(field, 'NO_MEMORY_GATE', `${field} is set, but no layer has a gate that keeps the memory; choose another cell or set it to null`, {})];
}
