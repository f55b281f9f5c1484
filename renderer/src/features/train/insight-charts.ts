import type { InsightRecord } from '../../../../engine/contracts';
import type { ChartLine, ChartSpec } from '../../charts/line-option';

type Movement = Extract<InsightRecord, { kind: 'movement' }>;
type Saturation = Extract<InsightRecord, { kind: 'saturation' }>;
type Lags = Extract<InsightRecord, { kind: 'lags' }>;

/** Lines with their names at the ends, as long as these do not cover each other. */
const mostNames = 6;
const named = (lines: ChartLine[]): ChartLine[] => (lines.length > mostNames ? lines : lines.map((line) => ({ ...line, endLabel: line.name })));
const frame = { ticks: { x: 3, y: 4 }, margins: { left: 34, right: 52 } };

/** One line per name over the steps of records; the first name seen comes first. */
function byName(records: readonly { step: number; values: { name: string; value: number }[] }[], nameOf: (name: string) => string, colorOf: (index: number) => string): ChartLine[] {
  const columns = new Map<string, { x: number[]; y: number[] }>();
  for (const { step, values } of records) {
    for (const { name, value } of values) {
      let column = columns.get(name);
      if (!column) columns.set(name, (column = { x: [], y: [] }));
      column.x.push(step);
      column.y.push(value);
    }
  }
  return named([...columns].map(([name, column], index) => ({ id: name, name: nameOf(name), ...column, color: colorOf(index), look: 'main' as const })));
}

/** ‖Δw‖ / ‖w‖ of each part of the model; about 0.001 is usual, which `usual` marks. */
export function movementSpec(insights: readonly InsightRecord[], x: ChartSpec['x'], nameOf: (group: string) => string, colorOf: (index: number) => string, usual?: NonNullable<ChartSpec['marks']>[number]): ChartSpec {
  const records = insights.filter((record): record is Movement => record.kind === 'movement');
  const rows = records.map(({ step, groups }) => ({ step, values: groups.map(({ name, ratio }) => ({ name, value: ratio })) }));
  return { lines: byName(rows, nameOf, colorOf), log: true, ...(x && { x }), ...(usual && { marks: [usual] }), ...frame };
}

/** Share of gate values of each layer below 0.1 or above 0.9, over all its gates. */
export function saturationSpec(insights: readonly InsightRecord[], x: ChartSpec['x'], nameOf: (layer: string) => string, colorOf: (index: number) => string): ChartSpec {
  const records = insights.filter((record): record is Saturation => record.kind === 'saturation');
  const rows = records.map(({ step, gates }) => {
    const layers = [...new Set(gates.map(({ layer }) => layer))];
    return {
      step,
      values: layers.map((name) => {
        const own = gates.filter(({ layer }) => layer === name);
        return { name, value: own.reduce((sum, { shut, open }) => sum + shut + open, 0) / own.length };
      }),
    };
  });
  return { lines: byName(rows, nameOf, colorOf), ...(x && { x }), y: { min: 0, max: 0.2 }, formatY: (share) => `${Math.round(share * 100)} %`, ...frame };
}

/** ‖dL/dh‖ over the lag at the newest validation. */
export function lagSpec(insights: readonly InsightRecord[], nameOf: (layer: string) => string, colorOf: (index: number) => string): ChartSpec & { step: number | null } {
  const newest = insights.findLast((record): record is Lags => record.kind === 'lags');
  const lines = named((newest?.layers ?? []).map(({ layer, lags, norms }, index) => ({ id: layer, name: nameOf(layer), x: lags, y: norms, color: colorOf(index), look: 'main' as const })));
  return { lines, log: true, step: newest?.step ?? null, ...frame, margins: { left: 42, right: 52 } };
}
