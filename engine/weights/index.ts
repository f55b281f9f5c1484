import { basename } from 'node:path';
import type { EngineBinding, ModelSpec } from '../binding/types';
import { SluiceError, type RunConfig, type WeightsKind, type WeightsRemark, type WeightsReport, type WeightsSource } from '../contracts';
import { isKeras, parseKeras } from './keras';
import { matchModules, matchNames, type FilledTensor } from './match';
import type { ParsedWeights } from './modules';
import { proposeModel, type ProposedModel } from './propose';
import { readTensorFile } from './read-file';
import { remark } from './remarks';
import { encodeSafetensors } from './safetensors';
import { targetModel } from './target';
import type { TensorFile } from './tensors';
import { isTorch, parseTorch } from './torch';
import { byCharacter, parseVocabulary, readVocabulary } from './vocabulary';

export { encodeSafetensors } from './safetensors';
export { targetModel } from './target';
export { writtenWeights, type WrittenTensor, type WrittenWeights } from './write';

/** Key of a file's own vocabulary in its metadata. */
export const vocabularyKey = 'sluice.vocabulary';

/** A file of weights laid over a model. */
export interface FittedWeights {
  report: Omit<WeightsReport, 'proposed'>;
  /** Every tensor of the model, in its order; empty while there are problems. */
  tensors: FilledTensor[];
}

/** A file of weights, read and told apart; it can be laid over several models. */
export interface ForeignWeights {
  kind: WeightsKind;
  fit(spec: ModelSpec, vocabulary: readonly string[] | null): FittedWeights;
  /** The model that the file holds, null where it cannot be told. `inputs`: columns of a series, null for text. */
  propose(inputs: number | null, config: RunConfig): ProposedModel | null;
}

/**
 * Reads a file of weights. The framework is told by the names unless `from` says it.
 * @throws SluiceError FILE_NOT_FOUND, FILE_UNREADABLE, INPUT_INVALID.
 */
export async function openWeights(source: WeightsSource, engine: Pick<EngineBinding, 'cells' | 'describe'>): Promise<ForeignWeights> {
  const file = await readTensorFile(source.path);
  if (file.tensors.length === 0) throw new SluiceError({ code: 'INPUT_INVALID', message: `${source.path} holds no tensors.`, where: source.path });
  const vocabulary = source.vocabulary === null ? parseVocabulary(file.metadata[vocabularyKey] ?? '') : await readVocabulary(source.vocabulary);
  const numeric = file.tensors.filter(({ data }) => data !== null);
  const names = numeric.map(({ name }) => name);
  const shapeOf = new Map(numeric.map(({ name, shape }) => [name, shape.join()]));
  const kind = source.from ?? kindOf(file, names);
  const parsed: ParsedWeights = kind === 'keras' ? parseKeras(numeric) : parseTorch(numeric);
  const about = remarksOn(file);

  const fit: ForeignWeights['fit'] = (spec, own) => {
    const foreign = own !== null && vocabulary !== null && spec.input.kind === 'tokens' && vocabulary.join('\n') !== own.join('\n') ? vocabulary : null;
    const target = targetModel(foreign ? withVocabulary(spec, foreign.length) : spec, engine);
    const isOurs = kind === 'sluice' || (source.from === null && kind === 'torch' && target.tensors.every(({ name, shape }) => shapeOf.get(name) === shape.join()));
    const matched = isOurs ? matchNames(numeric, target) : matchModules(parsed.modules, target);
    const problems = [...about.problems, ...(isOurs ? [] : parsed.problems), ...matched.problems];
    const notes = [...about.notes, ...matched.notes];
    let filled = matched.filled;
    if (problems.length === 0 && foreign) {
      const turned = byCharacter(filled, foreign, own!);
      filled = turned.filled;
      problems.push(...turned.problems);
      notes.push(...turned.notes);
    } else if (problems.length === 0 && own !== null && spec.input.kind === 'tokens' && vocabulary === null) {
      notes.push(remark.rowOrder());
    }
    const byName = new Map(filled.map((tensor) => [tensor.name, tensor]));
    const report = {
      path: source.path,
      kind,
      tensors: file.tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape })),
      matched: targetModel(spec, engine).tensors.flatMap(({ name }) => {
        const tensor = byName.get(name);
        return tensor ? [{ target: name, shape: tensor.shape, source: tensor.source }] : [];
      }),
      problems,
      notes,
    };
    return { report, tensors: problems.length > 0 ? [] : target.tensors.map(({ name }) => byName.get(name)!) };
  };
  const cells = engine.cells().map(({ name }) => name);
  return { kind, fit, propose: (inputs, config) => (kind === 'sluice' && !isTorch(names) ? null : proposeModel(parsed.modules, inputs, config, cells)) };
}

function withVocabulary(spec: ModelSpec, size: number): ModelSpec {
  return spec.input.kind === 'tokens' ? { ...spec, input: { ...spec.input, vocabularySize: size }, head: { ...spec.head, outputSize: size } } : spec;
}

function kindOf(file: TensorFile, names: readonly string[]): WeightsKind {
  if (file.isKeras) return 'keras';
  if (file.metadata['sluice.as'] === 'sluice') return 'sluice';
  if (isTorch(names)) return 'torch';
  if (names.some((name) => /^recurrent\..+_l\d+(_reverse)?$/.test(name))) return 'sluice';
  if (isKeras(names)) return 'keras';
  const some = file.tensors.slice(0, 4).map(({ name }) => name).join(', ');
  throw new SluiceError({
    code: 'INPUT_INVALID',
    message: `${basename(file.path)} holds no recurrent layer of PyTorch (names such as lstm.weight_ih_l0) nor of Keras (lstm/lstm_cell/kernel, or arrays in the order of get_weights()): it has ${some}. Say what it is with --weights-from torch or keras.`,
    where: file.path,
  });
}

/** What is to be said of the file itself: other types, numbers that are none. */
function remarksOn({ tensors }: TensorFile): { problems: WeightsRemark[]; notes: WeightsRemark[] } {
  const problems: WeightsRemark[] = [];
  const converted = new Map<string, number>();
  for (const tensor of tensors) {
    if (tensor.data === null) problems.push(remark.dtype(tensor));
    else if (!tensor.data.every(Number.isFinite)) problems.push(remark.notFinite(tensor.name));
    if (tensor.data !== null && tensor.dtype !== 'F32') converted.set(tensor.dtype, (converted.get(tensor.dtype) ?? 0) + 1);
  }
  return { problems, notes: [...converted].map(([dtype, count]) => remark.converted(dtype, count)) };
}

/**
 * Every tensor of the model, or WEIGHTS_MISMATCH with the first that does not fit and how many more there are; a model that the
 * file would fit is named.
 */
export function requireTensors({ report, tensors }: FittedWeights, proposed: string | null): FilledTensor[] {
  const [first, ...others] = report.problems;
  if (!first) return tensors;
  const more = others.length > 0 ? ` (and ${others.length} more)` : '';
  const hint = proposed === null ? '' : `. The file holds ${proposed}: choose those layers, or leave them to import-model`;
  throw new SluiceError({
    code: 'WEIGHTS_MISMATCH',
    message: `the weights do not fit the model: ${first.message}${more}${hint}; nothing was loaded`,
    where: report.path,
    details: { problem: first.code, problems: report.problems.length, ...first.details },
  });
}

/** The tensors as the engine starts from them. */
export function startFile(tensors: readonly FilledTensor[], source: { path: string; kind: WeightsKind }): Uint8Array {
  return encodeSafetensors(tensors, { format: 'pt', 'sluice.source': basename(source.path), 'sluice.kind': source.kind });
}
