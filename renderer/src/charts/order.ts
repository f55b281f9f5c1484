/** How units are sorted from top to bottom. */
export type UnitOrder = 'likeness' | 'response' | 'index';

/** Products a single ordering may cost, so that it stays within a frame for any number of units. */
const likenessBudget = 2_000_000;

/**
 * Units sorted so that neighbours behave alike: a greedy chain that starts at the unit with the largest mean
 * and goes on to the nearest one left (squared distance over the steps). Large layers compare
 * evenly picked steps only.
 * @param values `[time, units]`, row-major; non-finite values count as zero.
 */
export function orderByLikeness(values: Float32Array, time: number, units: number): Uint32Array {
  const order = new Uint32Array(units);
  if (units === 0) return order;
  const wanted = Math.max(8, Math.floor(likenessBudget / ((units * units) / 2)));
  const steps = Math.min(time, wanted);
  const features = new Float32Array(units * steps);
  const means = new Float32Array(units);
  for (let pick = 0; pick < steps; pick++) {
    const step = Math.floor(((pick + 0.5) * time) / steps);
    for (let unit = 0; unit < units; unit++) {
      const value = values[step * units + unit]!;
      const finite = Number.isFinite(value) ? value : 0;
      features[unit * steps + pick] = finite;
      means[unit]! += finite / steps;
    }
  }
  const left = Uint32Array.from({ length: units }, (_, unit) => unit);
  let count = units;
  let position = 0;
  for (let index = 1; index < units; index++) {
    if (means[index]! > means[left[position]!]!) position = index;
  }
  for (let place = 0; place < units; place++) {
    const unit = left[position]!;
    order[place] = unit;
    left[position] = left[--count]!;
    let nearest = Infinity;
    for (let candidate = 0; candidate < count; candidate++) {
      const distance = squaredDistance(features, unit * steps, left[candidate]! * steps, steps, nearest);
      if (distance < nearest) {
        nearest = distance;
        position = candidate;
      }
    }
  }
  return order;
}

/** Stops early once the sum passes `limit`: that candidate cannot be the nearest any more. */
function squaredDistance(features: Float32Array, a: number, b: number, length: number, limit: number): number {
  let sum = 0;
  for (let index = 0; index < length && sum < limit; index++) {
    const difference = features[a + index]! - features[b + index]!;
    sum += difference * difference;
  }
  return sum;
}

/** Units with the largest spread (maximum − minimum over the steps) first; equal ones by index. */
export function orderByResponse(values: Float32Array, time: number, units: number): Uint32Array {
  const spread = new Float32Array(units);
  for (let unit = 0; unit < units; unit++) {
    let low = Infinity;
    let high = -Infinity;
    for (let step = 0; step < time; step++) {
      const value = values[step * units + unit]!;
      if (value < low) low = value;
      if (value > high) high = value;
    }
    spread[unit] = high > low ? high - low : 0;
  }
  return orderByIndex(units).sort((a, b) => spread[b]! - spread[a]! || a - b);
}

export function orderByIndex(units: number): Uint32Array {
  return Uint32Array.from({ length: units }, (_, unit) => unit);
}
