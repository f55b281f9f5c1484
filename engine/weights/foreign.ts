import type { CellForm, OnnxRows } from '../contracts';
import { onnxGateOrder } from '../onnx';
import { torchGates, type Family } from './modules';

/** The layer of PyTorch and Keras that computes a cell of ours. */
export interface ForeignCell {
  family: Family;
  activation: 'tanh' | 'relu';
  /** Where a GRU's reset acts: PyTorch knows only after the product. */
  resetAfter: boolean;
  /** An LSTM whose h is projected: PyTorch's `proj_size`; Keras has none. */
  isProjected: boolean;
  /** What stands in each gate's rows, in PyTorch's order of gates. */
  rows: OnnxRows[];
  /** Whether its rows are those gates one to one, so that the way back exists too. */
  isExact: boolean;
}

/**
 * The layer of the other frameworks that computes a cell, null where there is none. It follows from the cell's ONNX recipe, since
 * ONNX's operators, PyTorch's modules and Keras's layers are the same three. Projections, which ONNX leaves out, are PyTorch's own.
 */
export function foreignCell(cell: CellForm): ForeignCell | null {
  if (cell.name === 'lstm-projection') {
    return { family: 'lstm', activation: 'tanh', resetAfter: true, isProjected: true, rows: torchGates.lstm.map((gate) => ({ gate })), isExact: true };
  }
  const { onnx } = cell;
  if (!onnx || cell.inputOnly.length > 0 || cell.recurrentState !== 'h' || onnx.peepholes.length > 0 || onnx.attributes.some(([name]) => !['linear_before_reset', 'input_forget'].includes(name))) return null;
  const family = onnx.operator.toLowerCase() as Family;
  const [activation = 'Tanh', ...more] = onnx.activations;
  if (onnx.activations.length > 0 && (family !== 'rnn' || more.length > 0 || !['Tanh', 'Relu'].includes(activation))) return null;
  const order: readonly string[] = onnxGateOrder[onnx.operator];
  const rows = torchGates[family].map((gate) => onnx.rows[order.indexOf(gate)]!);
  return {
    family,
    activation: activation === 'Relu' ? 'relu' : 'tanh',
    resetAfter: family !== 'gru' || onnx.attributes.some(([name, value]) => name === 'linear_before_reset' && value === 1),
    isProjected: false,
    rows,
    isExact: cell.gateOrder.length === rows.length && rows.every((row, k) => typeof row === 'object' && 'gate' in row && row.gate === torchGates[family][k]),
  };
}
