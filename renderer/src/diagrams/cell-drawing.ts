import type { CellForm } from '../../../engine/contracts';

/**
 * The drawing of a cell as plain data: channels carry values, paddles stand in them and are lifted by gates,
 * control lines run from the node that computes a gate to its paddle. Coordinates on a field of 1008 × 640.
 */
export interface CellDrawing {
  /** `x y width height` of what is looked at. */
  viewBox: [number, number, number, number];
  beds: Box[];
  /** Water lies in its channel; `edge` is the side its surface shows. */
  water: (Box & { edge: 'top' | 'none' })[];
  banks: string[];
  /** Direction marks; 0° points right. */
  flows: { x: number; y: number; angle: number }[];
  controls: { gate: string; path: string }[];
  /** Thin lines from the inputs to the nodes, and the dots where they branch. */
  bus: string;
  /** Dashed lines by which a gate looks at the cell state. */
  peepholes: string[];
  dots: { x: number; y: number }[];
  paddles: Paddle[];
  junctions: { x: number; y: number; sign: '+' }[];
  functions: { x: number; y: number; name: string }[];
  nodes: { gate: string; x: number; y: number; activation: string }[];
  labels: { x: number; y: number; text: string; anchor: 'start' | 'middle' | 'end'; tone: 'strong' | 'quiet'; gate?: string }[];
  inputs: { x: number; y: number; text: string; width: 'input' | 'hidden' }[];
}

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** A paddle over a horizontal channel is lifted upwards, one beside a vertical channel is drawn out to the left. */
export interface Paddle {
  gate: string;
  /** Middle of the channel it stands in. */
  x: number;
  y: number;
  channel: 'horizontal' | 'vertical';
  /** Stands as far open as the gate is shut: 1 − gate. */
  inverse: boolean;
}

/** Half the width of a belt and of a shaft. */
export const beltHalf = 22;
export const shaftHalf = 18;
const nodeY = 462;
const nodeTop = nodeY - 30;
const nodeBottom = nodeY + 30;
const busY = 576;

/** What a drawing is made from. */
export type DrawnCell = Pick<CellForm, 'signals' | 'vectors' | 'equations' | 'recurrentState'>;

/** Gates and states a cell has decide which drawing fits; null where none of ours does. */
export function cellDrawing(cell: DrawnCell): CellDrawing | null {
  const names = new Set(cell.signals.map((signal) => signal.name));
  const has = (...signals: string[]) => signals.every((signal) => names.has(signal));
  const right = (signal: string): string => cell.equations.find((line) => line.signal === signal)?.right ?? '';
  const candidate = has('g') ? 'g' : has('z') ? 'z' : null;
  if (candidate !== null && has('c', 'h') && (has('f') || has('i'))) {
    const coupled = cell.equations.some(({ signal, right }) => signal === 'c' && right.includes('1 − f'));
    return lstm({ forget: has('f'), input: has('i') ? 'gate' : coupled ? 'coupled' : 'open', output: has('o'), peepholes: cell.vectors.length > 0, candidate, activation: (gate) => activationOf(cell, gate), shows: shownBy(cell), reads: cell.recurrentState, depth: has('d'), projected: right('h').startsWith('W_{hr}') });
  }
  if (has('r', 'z', 'n', 'h')) return gru(right('n').includes('(r_{t} ⊙'));
  if (has('n', 'h') && (has('z') || has('f', 'i'))) return scanned(has('z'));
  if (has('f', 'n', 'h')) return minimal();
  if (has('h') && names.size === 1) return simple(activationOf(cell, 'h'));
  return null;
}

/** What stands between c and h: a function before the output gate or after it, the division by n, or nothing. */
function shownBy(cell: DrawnCell): LstmParts['shows'] {
  const right = cell.equations.find((line) => line.signal === 'h')?.right ?? 'tanh(c';
  if (right.includes('⊘ n')) return 'normalised';
  if (right.includes('tanh(c')) return 'tanh';
  if (right.includes('tanh(LN(c')) return 'tanhOfNorm';
  return right.startsWith('tanh(') ? 'tanhAfter' : 'plain';
}

/** The function a signal's equation begins with. */
function activationOf(cell: DrawnCell, signal: string): string {
  return cell.equations.find((line) => line.signal === signal)?.right.split('(')[0] ?? '';
}

const box = (x: number, y: number, width: number, height: number): Box => ({ x, y, width, height });

/** The parts that an LSTM-like cell has. */
interface LstmParts {
  forget: boolean;
  input: 'gate' | 'coupled' | 'open';
  output: boolean;
  peepholes: boolean;
  /** Letter of the candidate. */
  candidate: string;
  /** The function that a gate's or the candidate's sum passes; empty for none, or where no equation tells. */
  activation(gate: string): string;
  shows: 'tanh' | 'tanhOfNorm' | 'tanhAfter' | 'normalised' | 'plain';
  /** The state that the gates read. */
  reads: string;
  /** The cell state of the layer below comes in through d. */
  depth: boolean;
  /** h is a projection of what the output gate shows. */
  projected: boolean;
}

/**
 * c runs along the belt through f; the candidate rises into it through i; h falls out of it through o. A coupled cell
 * has f in the place of i, as 1 − f; where a gate is left out nothing stands. Peepholes look from the belt down.
 * With a depth gate the cell state of the layer below comes in from the left, through d and up into the belt.
 */
function lstm(parts: LstmParts): CellDrawing {
  const { candidate, shows } = parts;
  const has = { forget: parts.forget, input: parts.input === 'gate', coupled: parts.input === 'coupled', output: parts.output, peepholes: parts.peepholes, depth: parts.depth, projected: parts.projected };
  const belt = 150;
  const [top, bottom] = [belt - beltHalf, belt + beltHalf];
  const [f, i, g, o, h, right] = has.depth ? [205, 312, 526, 690, 840, 968] : [210, 365, 520, 690, 840, 968];
  const [d, rise, lowY] = [419, 470, 230];
  const [iY, oY] = [312, 322];
  const turn = 424;
  const columns = [...(has.forget ? [f] : []), ...(has.input ? [i] : []), ...(has.depth ? [d] : []), g, ...(has.output ? [o] : [])];
  return {
    viewBox: [10, 28, 988, 618],
    beds: [box(40, top, right - 40, 44), box(g - 18, bottom, 36, nodeTop - bottom), box(h - 18, bottom, 36, turn - bottom), box(h - 18, turn - 18, right - h + 18, 36), ...(has.depth ? [box(40, lowY - 18, rise - 22, 36), box(rise - 18, bottom, 36, lowY - 18 - bottom)] : [])],
    water: [
      { ...box(40, belt - 1, right - 40, beltHalf), edge: 'top' },
      { ...box(g - 8, bottom, 16, nodeTop - bottom), edge: 'none' },
      { ...box(h - 8, bottom, 16, turn + 8 - bottom), edge: 'none' },
      { ...box(h + 8, turn - 8, right - h - 8, 16), edge: 'none' },
      ...(has.depth ? [{ ...box(40, lowY - 8, rise - 32, 16), edge: 'none' } as const, { ...box(rise - 8, bottom, 16, lowY - 8 - bottom), edge: 'none' } as const] : []),
    ],
    banks: [
      `M40 ${top}H${right}`,
      ...(has.depth ? [`M40 ${bottom}H${rise - 18}V${lowY - 18}H40`, `M40 ${lowY + 18}H${rise + 18}V${bottom}H${g - 18}V${nodeTop}`] : [`M40 ${bottom}H${g - 18}V${nodeTop}`]),
      `M${g + 18} ${nodeTop}V${bottom}H${h - 18}V${turn + 18}H${right}`,
      `M${h + 18} ${turn - 18}V${bottom}H${right}`,
      `M${h + 18} ${turn - 18}H${right}`,
    ],
    flows: [...[118, 325, ...(has.depth ? [] : [430]), 640, 748, 912].map((x) => ({ x, y: belt, angle: 0 })), { x: g, y: 236, angle: -90 }, { x: g, y: 390, angle: -90 }, { x: h, y: 196, angle: 90 }, { x: h, y: 374, angle: 90 }, ...(has.projected ? [] : [{ x: 905, y: turn, angle: 0 }]), ...(has.depth ? [{ x: 118, y: lowY, angle: 0 }, { x: 280, y: lowY, angle: 0 }] : [])],
    controls: [
      ...(has.forget ? [{ gate: 'f', path: `M${f} ${nodeTop}V${bottom + 7}` }] : []),
      ...(has.input ? [{ gate: 'i', path: `M${i} ${nodeTop}V${iY}H${g - 58}` }] : has.coupled ? [{ gate: 'f', path: `M${f} ${iY}H${g - 58}` }] : []),
      ...(has.output ? [{ gate: 'o', path: `M${o} ${nodeTop}V${oY}H${h - 58}` }] : []),
      ...(has.depth ? [{ gate: 'd', path: `M${d} ${nodeTop}V${lowY + 25}` }] : []),
    ],
    bus: inputBus(columns),
    // f and i look at c before the step, o at c after it.
    peepholes: has.peepholes ? [f, i, ...(has.depth ? [d] : []), o].map((x) => `M${x - 24} ${bottom}V${nodeTop}`) : [],
    dots: [...columns.slice(0, -1).map((x) => ({ x, y: busY })), ...(has.coupled ? [{ x: f, y: iY }] : [])],
    paddles: [
      ...(has.forget ? [{ gate: 'f', x: f, y: belt, channel: 'horizontal', inverse: false } as const] : []),
      ...(has.input ? [{ gate: 'i', x: g, y: iY, channel: 'vertical', inverse: false } as const] : has.coupled ? [{ gate: 'f', x: g, y: iY, channel: 'vertical', inverse: true } as const] : []),
      ...(has.output ? [{ gate: 'o', x: h, y: oY, channel: 'vertical', inverse: false } as const] : []),
      ...(has.depth ? [{ gate: 'd', x: d, y: lowY, channel: 'horizontal', inverse: false } as const] : []),
    ],
    junctions: [{ x: g, y: belt, sign: '+' }, ...(has.depth ? [{ x: rise, y: belt, sign: '+' } as const] : [])],
    functions: [...(shows === 'plain' ? [] : [{ x: h, y: shows === 'tanhAfter' ? 380 : 231, name: shows === 'normalised' ? '÷ n' : 'tanh' }]), ...(has.projected ? [{ x: 905, y: turn, name: 'W' }] : [])],
    nodes: [
      ...(has.forget ? [{ gate: 'f', x: f, y: nodeY, activation: parts.activation('f') || 'σ' }] : []),
      ...(has.input ? [{ gate: 'i', x: i, y: nodeY, activation: parts.activation('i') || 'σ' }] : []),
      ...(has.depth ? [{ gate: 'd', x: d, y: nodeY, activation: 'σ' }] : []),
      { gate: candidate, x: g, y: nodeY, activation: parts.activation(candidate) === 'tanh' ? 'tanh' : 'id' },
      ...(has.output ? [{ gate: 'o', x: o, y: nodeY, activation: 'σ' }] : []),
    ],
    labels: [
      { x: 40, y: 96, text: 'c_{t−1}', anchor: 'start', tone: 'strong' },
      { x: right, y: 96, text: 'c_{t}', anchor: 'end', tone: 'strong' },
      { x: right, y: 474, text: 'h_{t}', anchor: 'end', tone: 'strong' },
      ...(has.forget ? [{ x: f, y: 68, text: 'f', anchor: 'middle', tone: 'strong', gate: 'f' } as const] : []),
      ...(has.input ? [{ x: g - 66, y: iY - 20, text: 'i', anchor: 'end', tone: 'strong', gate: 'i' } as const] : has.coupled ? [{ x: g - 66, y: iY - 20, text: '1 − f', anchor: 'end', tone: 'strong', gate: 'f' } as const] : []),
      ...(has.output ? [{ x: h - 66, y: oY - 20, text: 'o', anchor: 'end', tone: 'strong', gate: 'o' } as const] : []),
      { x: has.depth ? 262 : 330, y: 118, text: has.forget ? 'f ⊙ c_{t−1}' : 'c_{t−1}', anchor: 'start', tone: 'quiet' },
      { x: g + 28, y: 262, text: has.input ? `i ⊙ ${candidate}` : has.coupled ? `(1 − f) ⊙ ${candidate}` : candidate, anchor: 'start', tone: 'quiet' },
      ...(shows === 'tanhAfter' ? [] : [{ x: h + 28, y: 272, text: { tanh: 'tanh c_{t}', tanhOfNorm: 'tanh LN(c_{t})', normalised: 'c_{t} ⊘ n_{t}', plain: 'c_{t}' }[shows], anchor: 'start', tone: 'quiet' } as const]),
      ...(has.depth ? [{ x: 40, y: 198, text: 'c_{low,t}', anchor: 'start', tone: 'strong' } as const, { x: d + 20, y: lowY + 42, text: 'd', anchor: 'start', tone: 'strong', gate: 'd' } as const] : []),
      ...(has.projected ? [{ x: 905, y: turn - 26, text: 'W_{hr}', anchor: 'middle', tone: 'quiet' } as const] : []),
    ],
    inputs: inputs(parts.reads),
  };
}

/**
 * h itself runs along the belt through z; n rises into it through 1 − z. Below, the old h's part of n passes r:
 * the gate stands after the product, or before it.
 */
function gru(before: boolean): CellDrawing {
  const belt = 150;
  const [top, bottom] = [belt - beltHalf, belt + beltHalf];
  const [z, r, n, right] = [230, 440, 700, 968];
  const zY = 300;
  const low = 632;
  const oldY = 594;
  return {
    viewBox: [10, 28, 988, 640],
    beds: [box(40, top, right - 40, 44), box(n - 18, bottom, 36, nodeTop - bottom), box(150, low - 18, n - 150 + 18, 36), box(n - 18, nodeBottom, 36, low - 18 - nodeBottom)],
    water: [
      { ...box(40, belt - 1, right - 40, beltHalf), edge: 'top' },
      { ...box(n - 8, bottom, 16, nodeTop - bottom), edge: 'none' },
      { ...box(150, low - 8, n - 150 + 8, 16), edge: 'none' },
      { ...box(n - 8, nodeBottom, 16, low - 8 - nodeBottom), edge: 'none' },
    ],
    banks: [
      `M40 ${top}H${right}`,
      `M40 ${bottom}H${n - 18}V${nodeTop}`,
      `M${n + 18} ${nodeTop}V${bottom}H${right}`,
      `M150 ${low - 18}H${n - 18}V${nodeBottom}`,
      `M150 ${low + 18}H${n + 18}V${nodeBottom}`,
    ],
    flows: [...[120, 360, 520, 800, 912].map((x) => ({ x, y: belt, angle: 0 })), { x: n, y: 222, angle: -90 }, { x: n, y: 384, angle: -90 }, { x: 300, y: low, angle: 0 }, { x: 640, y: low, angle: 0 }, { x: n, y: 548, angle: -90 }],
    controls: [
      { gate: 'z', path: `M${z} ${nodeTop}V${bottom + 7}` },
      { gate: 'z', path: `M${z} ${zY}H${n - 58}` },
      { gate: 'r', path: `M${r} ${nodeTop}V404H540V${low - 72}` },
    ],
    // x reaches all three nodes; the old h reaches z and r by a line of its own, since n sees it only behind r.
    bus: `M163 ${busY}H630V${nodeY + 20}H${n - 48}M${z} ${busY}V${nodeBottom}M${r} ${busY}V${nodeBottom}M150 ${busY - 24}H163V${busY}M95 ${low - 16}V${oldY}H${r + 18}V${nodeBottom}M${z + 18} ${oldY}V${nodeBottom}`,
    peepholes: [],
    dots: [{ x: z, y: busY }, { x: r, y: busY }, { x: z + 18, y: oldY }, { x: z, y: zY }],
    paddles: [
      { gate: 'z', x: z, y: belt, channel: 'horizontal', inverse: false },
      { gate: 'z', x: n, y: zY, channel: 'vertical', inverse: true },
      { gate: 'r', x: 540, y: low, channel: 'horizontal', inverse: false },
    ],
    junctions: [{ x: n, y: belt, sign: '+' }],
    functions: [],
    nodes: [
      { gate: 'z', x: z, y: nodeY, activation: 'σ' },
      { gate: 'r', x: r, y: nodeY, activation: 'σ' },
      { gate: 'n', x: n, y: nodeY, activation: 'tanh' },
    ],
    labels: [
      { x: 40, y: 96, text: 'h_{t−1}', anchor: 'start', tone: 'strong' },
      { x: right, y: 96, text: 'h_{t}', anchor: 'end', tone: 'strong' },
      { x: z, y: 68, text: 'z', anchor: 'middle', tone: 'strong', gate: 'z' },
      { x: n - 66, y: zY - 20, text: '1 − z', anchor: 'end', tone: 'strong', gate: 'z' },
      { x: 520, y: 540, text: 'r', anchor: 'end', tone: 'strong', gate: 'r' },
      { x: 340, y: 118, text: 'z ⊙ h_{t−1}', anchor: 'start', tone: 'quiet' },
      { x: n + 28, y: 262, text: '(1 − z) ⊙ n', anchor: 'start', tone: 'quiet' },
      { x: n + 28, y: 600, text: before ? 'W_{hn}(r ⊙ h_{t−1})' : 'r ⊙ W_{hn}h_{t−1}', anchor: 'start', tone: 'quiet' },
    ],
    inputs: [
      { x: 40, y: busY - 42, text: 'x_{t}', width: 'input' },
      { x: 40, y: low - 16, text: 'h_{t−1}', width: 'hidden' },
    ],
  };
}

/** No line from the old state to a gate: it only runs along the belt, past what is kept; n rises into it from the input alone. */
function scanned(single: boolean): CellDrawing {
  const belt = 150;
  const [top, bottom] = [belt - beltHalf, belt + beltHalf];
  const [keeps, takes, n, right] = [230, single ? 230 : 460, 700, 968];
  const [kept, taken] = single ? ['z', 'z'] : ['f', 'i'];
  const takenY = 300;
  return {
    viewBox: [10, 28, 988, 600],
    beds: [box(40, top, right - 40, 44), box(n - 18, bottom, 36, nodeTop - bottom)],
    water: [
      { ...box(40, belt - 1, right - 40, beltHalf), edge: 'top' },
      { ...box(n - 8, bottom, 16, nodeTop - bottom), edge: 'none' },
    ],
    banks: [`M40 ${top}H${right}`, `M40 ${bottom}H${n - 18}V${nodeTop}`, `M${n + 18} ${nodeTop}V${bottom}H${right}`],
    flows: [...[120, 360, 520, 800, 912].map((x) => ({ x, y: belt, angle: 0 })), { x: n, y: 222, angle: -90 }, { x: n, y: 384, angle: -90 }],
    controls: [
      { gate: kept, path: `M${keeps} ${nodeTop}V${bottom + 7}` },
      { gate: taken, path: single ? `M${takes} ${takenY}H${n - 58}` : `M${takes} ${nodeTop}V${takenY}H${n - 58}` },
    ],
    bus: `M150 ${busY}H${n}${[...new Set([keeps, takes, n])].map((x) => `M${x} ${busY}V${nodeBottom}`).join('')}`,
    peepholes: [],
    dots: [...new Set([keeps, takes])].map((x) => ({ x, y: busY })).concat(single ? [{ x: takes, y: takenY }] : []),
    paddles: [
      { gate: kept, x: keeps, y: belt, channel: 'horizontal', inverse: single },
      { gate: taken, x: n, y: takenY, channel: 'vertical', inverse: false },
    ],
    junctions: [{ x: n, y: belt, sign: '+' }],
    functions: [],
    nodes: [...new Set([kept, taken])].map((gate, place) => ({ gate, x: place === 0 ? keeps : takes, y: nodeY, activation: 'σ' })).concat([{ gate: 'n', x: n, y: nodeY, activation: 'g' }]),
    labels: [
      { x: 40, y: 96, text: 'h_{t−1}', anchor: 'start', tone: 'strong' },
      { x: right, y: 96, text: 'h_{t}', anchor: 'end', tone: 'strong' },
      { x: keeps, y: 68, text: single ? '1 − z' : 'f', anchor: 'middle', tone: 'strong', gate: kept },
      { x: n - 66, y: takenY - 20, text: taken, anchor: 'end', tone: 'strong', gate: taken },
      { x: 340, y: 118, text: single ? '(1 − z) ⊙ h_{t−1}' : 'f / (f + i) ⊙ h_{t−1}', anchor: 'start', tone: 'quiet' },
      { x: n + 28, y: 262, text: single ? 'z ⊙ n' : 'i / (f + i) ⊙ n', anchor: 'start', tone: 'quiet' },
    ],
    inputs: [{ x: 40, y: busY - 18, text: 'x_{t}', width: 'input' }],
  };
}

/** A GRU whose one gate does both: f lets the new in and 1 − f keeps the old, and n sees what f lets through of the old. */
function minimal(): CellDrawing {
  const { labels, nodes, controls, paddles, dots, ...drawing } = gru(true);
  const [f, n, low] = [230, 700, 632];
  const as = <Item extends { gate?: string }>(items: Item[]): Item[] => items.map((item) => (item.gate === undefined ? item : { ...item, gate: item.gate === 'n' ? 'n' : 'f' }));
  const words: Record<string, string> = { z: '1 − f', '1 − z': 'f', r: 'f', 'z ⊙ h_{t−1}': '(1 − f) ⊙ h_{t−1}', '(1 − z) ⊙ n': 'f ⊙ n', 'W_{hn}(r ⊙ h_{t−1})': 'W_{hn}(f ⊙ h_{t−1})' };
  return {
    ...drawing,
    nodes: as(nodes.filter(({ gate }) => gate !== 'r')),
    controls: as(controls.map((control) => (control.gate === 'r' ? { ...control, path: `M${f} 404H540V${low - 72}` } : control))),
    paddles: as(paddles.map((paddle) => (paddle.gate === 'z' ? { ...paddle, inverse: !paddle.inverse } : paddle))),
    dots: [...dots.filter(({ x }) => x === f), { x: f, y: 404 }],
    bus: `M163 ${busY}H630V${nodeY + 20}H${n - 48}M${f} ${busY}V${nodeBottom}M150 ${busY - 24}H163V${busY}M95 ${low - 16}V594H${f + 18}V${nodeBottom}`,
    labels: as(labels.map((label) => ({ ...label, text: words[label.text] ?? label.text }))),
  };
}

/** Nothing is gated: the old state and the new input meet, and a function (tanh, relu) lets the sum through. */
function simple(activation: string): CellDrawing {
  const belt = 250;
  const [top, bottom] = [belt - beltHalf, belt + beltHalf];
  const [meet, squash, right] = [400, 640, 968];
  const low = 470;
  return {
    viewBox: [10, 90, 988, 520],
    beds: [box(40, top, right - 40, 44), box(meet - 18, bottom, 36, low - bottom)],
    water: [
      { ...box(40, belt - 1, right - 40, beltHalf), edge: 'top' },
      { ...box(meet - 8, bottom, 16, low - bottom), edge: 'none' },
    ],
    banks: [`M40 ${top}H${right}`, `M40 ${bottom}H${meet - 18}V${low}`, `M${meet + 18} ${low}V${bottom}H${right}`],
    flows: [...[120, 250, 520, 760, 900].map((x) => ({ x, y: belt, angle: 0 })), { x: meet, y: 330, angle: -90 }, { x: meet, y: 430, angle: -90 }],
    controls: [],
    bus: `M${meet} ${low}V520`,
    peepholes: [],
    dots: [],
    paddles: [],
    junctions: [{ x: meet, y: belt, sign: '+' }],
    functions: [{ x: squash, y: belt, name: activation }],
    nodes: [],
    labels: [
      { x: 40, y: 196, text: 'h_{t−1}', anchor: 'start', tone: 'strong' },
      { x: right, y: 196, text: 'h_{t}', anchor: 'end', tone: 'strong', gate: 'h' },
      { x: 200, y: 218, text: 'W_{h}h_{t−1} + b', anchor: 'start', tone: 'quiet' },
      { x: meet + 28, y: 380, text: 'W_{x}x_{t}', anchor: 'start', tone: 'quiet' },
      { x: 720, y: 218, text: `h_{t} = ${activation}(…)`, anchor: 'start', tone: 'quiet' },
    ],
    inputs: [{ x: meet - 55, y: 520, text: 'x_{t}', width: 'input' }],
  };
}

function inputBus(columns: number[]): string {
  const last = columns.at(-1)!;
  return `M163 ${busY}H${last}${columns.map((x) => `M${x} ${busY}V${nodeBottom}`).join('')}M150 ${busY + 28}H163V${busY}M150 ${busY - 24}H163V${busY}`;
}

function inputs(reads: string): CellDrawing['inputs'] {
  return [
    { x: 40, y: busY - 42, text: 'x_{t}', width: 'input' },
    { x: 40, y: busY + 12, text: `${reads}_{t−1}`, width: 'hidden' },
  ];
}
