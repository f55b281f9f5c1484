import type { WeightsRemark } from '../contracts';
import { shapeText, type SourceTensor } from './tensors';

/** Sentences about weights; each says which tensor and which shapes. */
export const remark = {
  missing: (target: string, shape: readonly number[]): WeightsRemark => ({
    code: 'MISSING',
    message: `the model needs ${target} ${shapeText(shape)}, and no tensor of the file fits`,
    details: { target, shape: shapeText(shape) },
  }),
  surplus: ({ name, shape }: Pick<SourceTensor, 'name' | 'shape'>): WeightsRemark => ({
    code: 'SURPLUS',
    message: `the file's ${name} ${shapeText(shape)} fits nothing in the model`,
    details: { name, shape: shapeText(shape) },
  }),
  shape: (name: string, shape: readonly number[], target: string, expected: readonly number[]): WeightsRemark => ({
    code: 'SHAPE',
    message: `the file's ${name} is ${shapeText(shape)}, but ${target} needs ${shapeText(expected)}`,
    details: { name, shape: shapeText(shape), target, expected: shapeText(expected) },
  }),
  dtype: ({ name, dtype, shape }: SourceTensor): WeightsRemark => ({
    code: 'DTYPE',
    message: `the file's ${name} ${shapeText(shape)} is of type ${dtype}; weights are F32, F16, BF16 or F64`,
    details: { name, dtype, shape: shapeText(shape) },
  }),
  notFinite: (name: string): WeightsRemark => ({ code: 'NOT_FINITE', message: `the file's ${name} holds a number that is not finite in float32`, details: { name } }),
  layer: (layer: number, expected: string, name: string, found: string): WeightsRemark => ({
    code: 'LAYER',
    message: `layer ${layer} of the model is ${expected}, but the file's ${name} is ${found}`,
    details: { layer, expected, name, found },
  }),
  layers: (expected: number, found: number, names: string): WeightsRemark => ({
    code: 'LAYERS',
    message: `the model has ${expected} recurrent layer${expected === 1 ? '' : 's'}, the file ${found}${names === '' ? '' : ` (${names})`}`,
    details: { expected, found, names },
  }),
  ambiguous: (target: string, names: string): WeightsRemark => ({
    code: 'AMBIGUOUS',
    message: `${target} could be any of ${names}: rename the one that is meant to ${target}`,
    details: { target, names },
  }),
  vocabulary: (message: string, details: WeightsRemark['details']): WeightsRemark => ({ code: 'VOCABULARY', message, details }),
  converted: (dtype: string, count: number): WeightsRemark => ({
    code: 'CONVERTED',
    message: `${count} tensor${count === 1 ? ' was' : 's were'} converted from ${dtype} to float32`,
    details: { dtype, count },
  }),
  noBias: (target: string): WeightsRemark => ({ code: 'NO_BIAS', message: `${target} is 0: the file has nothing for it`, details: { target } }),
  mergedBias: (target: string): WeightsRemark => ({ code: 'MERGED_BIAS', message: `${target} is the sum of the file's two biases`, details: { target } }),
  rowOrder: (): WeightsRemark => ({
    code: 'ROW_ORDER',
    message: "the file names no vocabulary: its row k is taken for the dataset's token k; give --vocabulary FILE where its tokens are counted otherwise",
    details: {},
  }),
  byCharacter: (count: number, dropped: number): WeightsRemark => ({
    code: 'BY_CHARACTER',
    message: `rows of ${count} tokens were brought into the dataset's order by their characters${dropped > 0 ? `, ${dropped} that the dataset does not have were left out` : ''}`,
    details: { count, dropped },
  }),
};
