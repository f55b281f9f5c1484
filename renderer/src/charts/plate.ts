import { mapIndex, missingPixel, openPixels, signedPixels, type SignalScale } from './colors';

/** One row of a plate: a unit, or the mean over a band of units that are neighbours in the drawn order. */
export type PlateRow = readonly number[];

export interface PlateInput {
  /** `[time, units]`, row-major: one traced sequence of one signal. */
  values: Float32Array;
  time: number;
  units: number;
  /** Units of each drawn row, top first. */
  rows: readonly PlateRow[];
  scale: SignalScale;
}

export interface PlateImage {
  /** One pixel per cell, `rows × time`, row-major. */
  pixels: Uint32Array;
  width: number;
  height: number;
  /** Cells (`row × time + step`) whose value is NaN or infinite: they are hatched, never coloured by the map. */
  badCells: number[];
  /** Non-finite values of the whole signal, also of units that are not drawn. */
  badValues: number;
}

/**
 * Colours one signal cell by cell. Steps beyond the recorded values are missing (grey); non-finite values
 * are listed. Writes into `reuse` where its size fits, so that a live plate allocates nothing per frame.
 */
export function paintPlate(input: PlateInput, reuse?: Uint32Array): PlateImage {
  const { values, time, units, rows, scale } = input;
  const size = rows.length * time;
  const pixels = reuse && reuse.length === size ? reuse : new Uint32Array(size);
  const map = scale === 'openness' ? openPixels : signedPixels;
  const recorded = units === 0 ? 0 : Math.min(time, Math.floor(values.length / units));
  const badCells: number[] = [];
  for (let row = 0; row < rows.length; row++) {
    const members = rows[row]!;
    const start = row * time;
    for (let step = 0; step < recorded; step++) {
      const value = rowValue(values, units, members, step, scale);
      if (Number.isFinite(value)) {
        pixels[start + step] = map[mapIndex(value, scale === 'openness' ? 'openness' : 'signed')]!;
      } else {
        pixels[start + step] = missingPixel;
        badCells.push(start + step);
      }
    }
    pixels.fill(missingPixel, start + recorded, start + time);
  }
  let badValues = 0;
  for (let index = 0; index < values.length; index++) {
    if (!Number.isFinite(values[index]!)) badValues++;
  }
  return { pixels, width: time, height: rows.length, badCells, badValues };
}

/** What a row shows at one step, on the drawn scale: the unit's value (tanh of a cell state), or the band's mean of them. */
export function rowValue(values: Float32Array, units: number, members: PlateRow, step: number, scale: SignalScale): number {
  let sum = 0;
  for (const unit of members) {
    const value = values[step * units + unit]!;
    sum += scale === 'tanh' && Number.isFinite(value) ? Math.tanh(value) : value;
  }
  return sum / members.length;
}

/** Mean over all units at one step, on the drawn scale; NaN where the step is not recorded. */
export function stepMean(values: Float32Array, units: number, step: number, scale: SignalScale): number {
  if (units === 0 || (step + 1) * units > values.length) return NaN;
  let sum = 0;
  for (let unit = 0; unit < units; unit++) {
    const value = values[step * units + unit]!;
    sum += scale === 'tanh' ? Math.tanh(value) : value;
  }
  return sum / units;
}

/** Above this many units a plate shows bands that open on click. */
export const unitsBeforeBands = 512;

/**
 * Rows of a plate for `order` (units, top first). One row per unit; above `unitsBeforeBands`, equal bands of
 * neighbours unless one of them is open, whose units are then shown alone.
 */
export function plateRows(order: ArrayLike<number>, openBand: number | null): PlateRow[] {
  const units = Array.from(order);
  if (units.length <= unitsBeforeBands) return units.map((unit) => [unit]);
  const size = bandSize(units.length);
  if (openBand !== null) return units.slice(openBand * size, (openBand + 1) * size).map((unit) => [unit]);
  const rows: number[][] = [];
  for (let start = 0; start < units.length; start += size) rows.push(units.slice(start, start + size));
  return rows;
}

/** Units per band, so that at most 64 bands are drawn. */
export function bandSize(units: number): number {
  return Math.ceil(units / 64);
}

/** First of `visible` items so that `chosen` is among them and the window moves as little as possible. */
export function windowStart(current: number, visible: number, total: number, chosen: number): number {
  const last = Math.max(0, total - visible);
  const start = Math.min(Math.max(0, current), last);
  if (chosen < start) return Math.max(0, chosen);
  if (chosen >= start + visible) return Math.min(last, chosen - visible + 1);
  return start;
}

export interface PlateLayout {
  /** Width of one time step. */
  columnWidth: number;
  columns: number;
  rowHeight: number;
  rows: number;
}

/**
 * Whole-pixel cells for the room there is: columns as wide as fit between `minimumColumn` and 24 px (fewer
 * columns than steps where even the smallest do not fit), rows of `rowHeight`, as many as fit.
 */
export function plateLayout(room: { width: number; height: number }, time: number, rowCount: number, minimumColumn: number, rowHeight: number): PlateLayout {
  const columnWidth = Math.max(minimumColumn, Math.min(24, Math.floor(room.width / Math.max(1, time))));
  const columns = Math.max(1, Math.min(time, Math.floor(room.width / columnWidth)));
  const rows = Math.max(1, Math.min(rowCount, Math.floor(room.height / rowHeight)));
  return { columnWidth, columns, rowHeight, rows };
}
