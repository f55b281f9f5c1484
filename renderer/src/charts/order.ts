/** How units are sorted from top to bottom. */
export type UnitOrder = 'likeness' | 'response' | 'index';

/** Products a single ordering may cost, so that it stays within a frame for any number of units. */
const likenessBudget = 2_000_000;
/** Places looked at while units are moved to better ones. */
const relocationBudget = 1_000_000;

/**
 * Units sorted so that neighbours behave alike. A greedy chain (from the unit with the largest mean always on to
 * the nearest one left) leaves odd units for its end; each unit is then moved to the place where it lengthens the
 * chain least, until nothing gains. Distance: squared difference over the steps; large layers compare evenly
 * picked steps only.
 * @param values `[time, units]`, row-major; non-finite values count as zero.
 */
export function orderByLikeness(values: Float32Array, time: number, units: number): Uint32Array {
  if (units < 3) return orderByIndex(units);
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
  const distances = pairDistances(features, units, steps);
  return relocate(greedyChain(distances, means, units), distances, units);
}

/** `[units, units]`: squared Euclidean distances. */
function pairDistances(features: Float32Array, units: number, steps: number): Float32Array {
  const distances = new Float32Array(units * units);
  for (let a = 0; a < units; a++) {
    for (let b = a + 1; b < units; b++) {
      let sum = 0;
      for (let index = 0; index < steps; index++) {
        const difference = features[a * steps + index]! - features[b * steps + index]!;
        sum += difference * difference;
      }
      distances[a * units + b] = sum;
      distances[b * units + a] = sum;
    }
  }
  return distances;
}

function greedyChain(distances: Float32Array, means: Float32Array, units: number): Uint32Array {
  const chain = new Uint32Array(units);
  const left = Uint32Array.from({ length: units }, (_, unit) => unit);
  let count = units;
  let position = means.indexOf(means.reduce((largest, mean) => Math.max(largest, mean)));
  for (let place = 0; place < units; place++) {
    const unit = left[position]!;
    chain[place] = unit;
    left[position] = left[--count]!;
    let nearest = Infinity;
    for (let candidate = 0; candidate < count; candidate++) {
      const distance = distances[unit * units + left[candidate]!]!;
      if (distance < nearest) {
        nearest = distance;
        position = candidate;
      }
    }
  }
  return chain;
}

/**
 * Moves units, one at a time, to where the chain becomes shortest (or-opt); a few passes bring nearly all of the
 * gain. The chain is a ring through a sentinel (`units`) that lies at distance 0 from everything.
 */
function relocate(chain: Uint32Array, distances: Float32Array, units: number): Uint32Array {
  const end = units;
  const next = new Int32Array(units + 1);
  const previous = new Int32Array(units + 1);
  /** Distance from each unit to the one after it. */
  const link = new Float32Array(units + 1);
  const between = (a: number, b: number) => (a === end || b === end ? 0 : distances[a * units + b]!);
  const join = (a: number, b: number) => {
    next[a] = b;
    previous[b] = a;
    link[a] = between(a, b);
  };
  for (let place = 0; place <= units; place++) join(place === 0 ? end : chain[place - 1]!, place === units ? end : chain[place]!);
  const passes = Math.min(3, Math.ceil(relocationBudget / (units * units)));
  for (let pass = 0; pass < passes; pass++) {
    let moved = false;
    for (let index = 0; index < units; index++) {
      const unit = chain[index]!;
      const row = unit * units;
      const before = previous[unit]!;
      const after = next[unit]!;
      const saved = link[before]! + link[unit]! - between(before, after);
      join(before, after);
      let best = before;
      let cost = saved - 1e-6;
      let node = end;
      let distance = 0;
      do {
        const following = next[node]!;
        const toFollowing = following === end ? 0 : distances[row + following]!;
        const added = distance + toFollowing - link[node]!;
        if (added < cost) {
          cost = added;
          best = node;
        }
        node = following;
        distance = toFollowing;
      } while (node !== end);
      const successor = next[best]!;
      join(best, unit);
      join(unit, successor);
      moved ||= best !== before;
    }
    if (!moved) break;
  }
  const order = new Uint32Array(units);
  let node = end;
  for (let place = 0; place < units; place++) order[place] = node = next[node]!;
  return order;
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
