import { remark } from './remarks';
import { familyOf, type MatrixModule, type Module, type NormModule, type ParsedWeights, type RecurrentDirection, type RecurrentModule } from './modules';
import { naturally, type Matrix, type SourceTensor } from './tensors';

/** `lstm.weight_ih_l0_reverse` of a layer, `cell.weight_ih` of a cell: prefix, part, layer, direction. */
const recurrentName = /^(?:(.*)\.)?(weight|bias)_(ih|hh|hr)(?:_l(\d+)(_reverse)?)?$/;

export function isTorch(names: readonly string[]): boolean {
  return names.some((name) => recurrentName.test(name));
}

function matrix({ shape, data }: SourceTensor): Matrix {
  return { rows: shape[0]!, columns: shape[1]!, data: data! };
}

/**
 * A PyTorch `state_dict`, whatever its modules are called: recurrent layers (RNN, LSTM with or without projection, GRU, and
 * their cells), then two-dimensional `weight`s with or without `bias`, then one-dimensional ones.
 */
export function parseTorch(tensors: readonly SourceTensor[]): ParsedWeights {
  const problems: ParsedWeights['problems'] = [];
  const modules: Module[] = [];
  const groups = new Map<string, Map<string, SourceTensor>>();
  const others: SourceTensor[] = [];
  for (const tensor of tensors) {
    const found = recurrentName.exec(tensor.name);
    if (!found) {
      others.push(tensor);
      continue;
    }
    const [, prefix = '', kind, part, layer = '', reverse = ''] = found;
    const group = `${prefix}\n${layer}`;
    if (!groups.has(group)) groups.set(group, new Map());
    groups.get(group)!.set(`${kind}_${part}${reverse}`, tensor);
  }
  for (const [group, parts] of [...groups].sort(([a], [b]) => naturally(a, b))) {
    const [prefix = '', layer = ''] = group.split('\n');
    const name = [prefix, layer === '' ? '' : `l${layer}`].filter((part) => part !== '').join(' ') || 'the recurrent layer';
    const module = recurrentModule(name, parts, problems);
    if (module) modules.push(module);
  }
  return { modules: [...modules, ...plainModules(others, problems)], problems };
}

function recurrentModule(name: string, parts: Map<string, SourceTensor>, problems: ParsedWeights['problems']): RecurrentModule | null {
  const directions: RecurrentDirection[] = [];
  let first: { family: RecurrentModule['family']; inputSize: number; hiddenSize: number; outputSize: number } | null = null;
  for (const reverse of ['', '_reverse']) {
    const part = (stem: string): SourceTensor | null => parts.get(stem + reverse) ?? null;
    const [ih, hh, hr] = [part('weight_ih'), part('weight_hh'), part('weight_hr')];
    const biases = [part('bias_ih'), part('bias_hh')] as const;
    const given = [ih, hh, hr, ...biases].filter((tensor) => tensor !== null);
    if (given.length === 0) continue;
    if (ih?.shape.length !== 2 || hh?.shape.length !== 2 || (hr && hr.shape.length !== 2)) {
      problems.push(...given.map(remark.surplus));
      continue;
    }
    const [rows, columns] = [ih.shape[0]!, hh.shape[1]!];
    const hiddenSize = hr ? hr.shape[1]! : columns;
    const family = familyOf(rows, hiddenSize);
    if (family === null || (hr && family !== 'lstm')) {
      problems.push(remark.shape(hh.name, hh.shape, `its companion ${ih.name}`, ih.shape));
      continue;
    }
    const sizes = { family, inputSize: ih.shape[1]!, hiddenSize, outputSize: columns };
    const wanted: [SourceTensor | null, number[]][] = [[hh, [rows, columns]], [hr, [columns, hiddenSize]], [biases[0], [rows]], [biases[1], [rows]]];
    if (first) wanted.push([ih, [first.inputSize === sizes.inputSize ? rows : -1, sizes.inputSize]]);
    const odd = wanted.find(([tensor, shape]) => tensor && tensor.shape.join() !== shape.join());
    if (odd || (first && (first.family !== family || first.hiddenSize !== hiddenSize || first.outputSize !== columns))) {
      const [tensor, shape] = odd ?? [hh, [rows, columns]];
      problems.push(remark.shape(tensor!.name, tensor!.shape, `what ${ih.name} of ${ih.shape.join(' × ')} goes with`, shape));
      continue;
    }
    first ??= sizes;
    directions.push({
      input: matrix(ih),
      recurrent: matrix(hh),
      bias: biases[0]?.data ?? null,
      recurrentBias: biases[1]?.data ?? null,
      projection: hr ? matrix(hr) : null,
      names: { input: ih.name, recurrent: hh.name, bias: biases[0]?.name ?? null, recurrentBias: biases[1]?.name ?? null, projection: hr?.name ?? null },
    });
  }
  return first && directions.length > 0 ? { kind: 'recurrent', name, ...first, resetAfter: true, directions, isUnnamed: false } : null;
}

/** Embeddings, linear layers and normalisations: `weight` and `bias` under one prefix. */
function plainModules(tensors: readonly SourceTensor[], problems: ParsedWeights['problems']): Module[] {
  const known = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const modules: (MatrixModule | NormModule)[] = [];
  const used = new Set<SourceTensor>();
  for (const tensor of [...tensors].sort((a, b) => naturally(a.name, b.name))) {
    const prefix = /^(?:(.*)\.)?weight$/.exec(tensor.name);
    if (!prefix) continue;
    const name = prefix[1] ?? '';
    const bias = known.get(name === '' ? 'bias' : `${name}.bias`) ?? null;
    const [rows, columns] = tensor.shape;
    const fits = bias === null || bias.shape.join() === String(rows);
    if (tensor.shape.length === 2 && fits) {
      const kind = bias === null ? 'matrix' : 'linear';
      modules.push({ kind, name, weight: { rows: rows!, columns: columns!, data: tensor.data! }, shape: tensor.shape, bias: bias?.data ?? null, names: { weight: tensor.name, bias: bias?.name ?? null } });
    } else if (tensor.shape.length === 1 && fits) {
      modules.push({ kind: 'norm', name, gain: tensor.data!, bias: bias?.data ?? null, names: { gain: tensor.name, bias: bias?.name ?? null } });
    } else {
      continue;
    }
    used.add(tensor);
    if (bias) used.add(bias);
  }
  problems.push(...tensors.filter((tensor) => !used.has(tensor)).map(remark.surplus));
  return modules;
}
