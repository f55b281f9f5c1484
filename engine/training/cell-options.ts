import { usualOption, type CellInfo, type CellOption, type LayerConfig, type RunConfig } from '../contracts';
import { problem, type FieldProblem } from './field-problems';
import { nearestName } from './nearest-name';

/** What is wrong with the options that layers give their cells. Unknown cells have problems of their own. */
export function optionProblems(config: RunConfig, cells: readonly CellInfo[]): FieldProblem[] {
  return config.model.layers.flatMap((layer, index) => {
    const cell = cells.find(({ name }) => name === layer.cell);
    if (!cell) return [];
    return Object.keys(layer.options).flatMap((name) => {
      const path = `model.layers.${index}.options.${name}`;
      const option = cell.options.find((one) => one.name === name);
      if (option) return valueProblems(path, option, layer);
      const known = cell.options.map((one) => one.name);
      const nearest = nearestName(name, known);
      const has = known.length === 0 ? 'it has none; leave it out' : `the nearest is ${nearest} (all: ${known.join(', ')})`;
      return [problem(path, 'UNKNOWN_OPTION', `the cell ${cell.name} has no option ${name}; ${has}`, { value: name, nearest, cell: cell.name, allowed: known.join(', ') })];
    });
  });
}

function valueProblems(path: string, { name, values }: CellOption, { options, hiddenSize }: LayerConfig): FieldProblem[] {
  const value = options[name]!;
  const shown = String(value);
  if (values.length > 0) {
    if (typeof value === 'string' && values.includes(value)) return [];
    const nearest = nearestName(shown, values);
    return [problem(path, 'NOT_ALLOWED', `${path} is ${shown}; it must be one of ${values.join(', ')}; the nearest is ${nearest}`, { value: shown, allowed: values.join(', '), nearest })];
  }
  if (typeof value === 'string' || value.some((number, place) => place > 0 && number <= value[place - 1]!)) {
    return [problem(path, 'NOT_RISING', `${path} is ${shown}; it must be whole numbers that rise, for example 1,2,4`, { value: shown })];
  }
  if (hiddenSize % value.length === 0) return [];
  const fitting = Math.max(1, Math.round(hiddenSize / value.length)) * value.length;
  return [problem(path, 'UNEQUAL_SHARES', `${path} has ${value.length} numbers, which cannot share ${hiddenSize} units equally; set hiddenSize to ${fitting} or give another number of them`, { count: value.length, units: hiddenSize, fitting })];
}

/** The configuration with every option of its cells written out, in the cells' order. */
export function withUsualOptions(config: RunConfig, cells: readonly CellInfo[]): RunConfig {
  const layers = config.model.layers.map((layer) => {
    const options = cells.find(({ name }) => name === layer.cell)?.options ?? [];
    const usual = options.map((option) => [option.name, layer.options[option.name] ?? usualOption(option, layer.hiddenSize)] as const);
    return { ...layer, options: { ...Object.fromEntries(usual), ...layer.options } };
  });
  return { ...config, model: { ...config.model, layers } };
}
