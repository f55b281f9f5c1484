//! Initial weights beyond PyTorch's: Glorot and orthogonal matrices, and biases of the gates that keep the memory.

use super::Direction;
use crate::cells::Memory;
use crate::element::Element;
use crate::params::{Parameters, Tensor};
use crate::rng::{Purpose, Rng};
use crate::spec::{InitialWeights, Initialization};

/// Draws for gate biases stand this far behind those of the tensor's own numbers.
const GATE_BIASES: u64 = 1 << 40;

/// Changes freshly drawn weights (PyTorch's) to what `options` says; with the defaults nothing.
///
/// Glorot & Bengio 2010 for input matrices, gate by gate, and the head; Saxe et al. 2014 for recurrent ones, gate by
/// gate; forget bias after Jozefowicz et al. 2015, chrono after Tallec & Ollivier 2018.
pub fn initialize<'a, E: Element + 'a>(
    options: &Initialization,
    directions: impl Iterator<Item = &'a Direction<E>>,
    parameters: &Parameters,
    weights: &mut [E],
    seed: u64,
) {
    if *options == Initialization::default() {
        return;
    }
    let find = |name: &str| parameters.tensors.iter().enumerate().find(|(_, tensor)| tensor.name == name);
    let orthogonal = options.weights == InitialWeights::GlorotOrthogonal;
    if orthogonal {
        // With tied weights the embedding's table is the head's matrix.
        if let Some((number, tensor)) = find("head.weight").or_else(|| find("embedding.weight")) {
            glorot(tensor, tensor.shape[0], weights, &Rng::new(seed, Purpose::Initial, number as u32));
        }
        if let Some((_, tensor)) = find("head.bias") {
            tensor.each(|_, place| weights[place] = E::ZERO);
        }
    }
    for direction in directions {
        let info = direction.cell.info();
        let named = |stem: &str| find(&format!("recurrent.{stem}_{}", direction.name));
        let biases = [Some(info.names.bias), info.names.recurrent_bias].into_iter().flatten();
        let biases: Vec<_> = biases.filter_map(named).collect();
        if orthogonal {
            if let Some((number, tensor)) = named(info.names.input) {
                glorot(tensor, direction.hidden, weights, &Rng::new(seed, Purpose::Initial, number as u32));
            }
            if let Some((number, tensor)) = info.names.recurrent.and_then(named) {
                let rng = Rng::new(seed, Purpose::Initial, number as u32);
                orthogonal_blocks(tensor, direction.hidden, weights, &rng);
            }
            for (_, tensor) in &biases {
                tensor.each(|_, place| weights[place] = E::ZERO);
            }
        }
        let memory = Memory::of(info);
        // Where a gate has two biases the first holds the value and the second is 0.
        for (order, &(_, tensor)) in biases.iter().enumerate() {
            let rng = Rng::new(seed, Purpose::Initial, biases[0].0 as u32);
            let mut set = |gate: Option<usize>, value: &dyn Fn(usize) -> f64| {
                let Some(gate) = gate else { return };
                let rows = gate * direction.hidden..(gate + 1) * direction.hidden;
                tensor.each(|row, place| {
                    if rows.contains(&row) {
                        let value = if order == 0 { value(row - rows.start) } else { 0.0 };
                        weights[place] = E::from_f64(value);
                    }
                });
            };
            if let Some(bias) = options.forget_bias {
                set(memory.keeps, &|_| bias);
                if memory.keeps.is_none() {
                    set(memory.admits, &|_| -bias);
                }
            }
            if let Some(longest) = options.chrono {
                // A gate that keeps a share 1 - 1/u of the memory per step forgets within about u steps.
                let span = (longest as f64 - 2.0).max(0.0);
                let lag = |unit: usize| (1.0 + span * rng.uniform(GATE_BIASES + unit as u64)).ln();
                set(memory.keeps, &lag);
                set(memory.admits, &|unit| -lag(unit));
            }
        }
    }
}

/// Uniform within sqrt(6 / (rows of a block + columns)).
fn glorot<E: Element>(tensor: &Tensor, block: usize, weights: &mut [E], rng: &Rng) {
    let bound = (6.0 / (block + tensor.shape[1]) as f64).sqrt();
    tensor.each(|index, place| weights[place] = E::from_f64(bound * (2.0 * rng.uniform(index as u64) - 1.0)));
}

/// Every block of `hidden` rows becomes a matrix with orthonormal rows (or columns, where it has fewer); what does not exist
/// of it stays 0.
fn orthogonal_blocks<E: Element>(tensor: &Tensor, hidden: usize, weights: &mut [E], rng: &Rng) {
    let (rows, columns) = (tensor.shape[0], tensor.shape[1]);
    let mut matrix = Vec::with_capacity(rows * columns);
    for block in 0..rows / hidden {
        matrix.extend(orthogonal(hidden, columns, |index| rng.normal((block * hidden * columns + index) as u64)));
    }
    tensor.each(|index, place| weights[place] = if tensor.has(index) { E::from_f64(matrix[index]) } else { E::ZERO });
}

/// A random matrix, row-major, with orthonormal rows where `rows <= columns`, else columns: Gram and Schmidt on normal
/// draws, which is the uniform distribution over such matrices.
fn orthogonal(rows: usize, columns: usize, normal: impl Fn(usize) -> f64) -> Vec<f64> {
    let (count, length) = (rows.min(columns), rows.max(columns));
    let mut vectors: Vec<f64> = (0..count * length).map(normal).collect();
    for k in 0..count {
        let (done, rest) = vectors.split_at_mut(k * length);
        let vector = &mut rest[..length];
        for earlier in done.chunks_exact(length) {
            let share = dot(earlier, vector);
            vector.iter_mut().zip(earlier).for_each(|(value, &e)| *value -= share * e);
        }
        let norm = dot(vector, vector).sqrt();
        vector.iter_mut().for_each(|value| *value /= norm);
    }
    if rows <= columns {
        return vectors;
    }
    (0..rows * columns).map(|index| vectors[index % columns * length + index / columns]).collect()
}

/// Eight sums side by side, so that the compiler may use vectors.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (mut left, mut right) = (a.chunks_exact(8), b.chunks_exact(8));
    for (x, y) in left.by_ref().zip(right.by_ref()) {
        for k in 0..8 {
            sums[k] += x[k] * y[k];
        }
    }
    let rest: f64 = left.remainder().iter().zip(right.remainder()).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn rows_or_columns_are_orthonormal() {
        let rng = Rng::new(3, Purpose::Initial, 0);
        for (rows, columns) in [(1, 1), (7, 7), (65, 65), (5, 18), (18, 5)] {
            let matrix = orthogonal(rows, columns, |index| rng.normal(index as u64));
            let (count, length) = (rows.min(columns), rows.max(columns));
            let at =
                |v: usize, k: usize| if rows <= columns { matrix[v * columns + k] } else { matrix[k * columns + v] };
            for a in 0..count {
                for b in 0..count {
                    let sum: f64 = (0..length).map(|k| at(a, k) * at(b, k)).sum();
                    let want = if a == b { 1.0 } else { 0.0 };
                    assert!((sum - want).abs() < 1e-12, "{rows} x {columns}: {a}, {b} gives {sum}");
                }
            }
        }
    }
}
