//! What stands between a layer's hidden states and whoever reads them: `output = x + dropout(norm(h))`, where h holds
//! both directions side by side, norm is layer normalisation (Ba, Kiros & Hinton 2016; `torch.nn.LayerNorm` with
//! epsilon 1e-5) and x is what the layer read (residual connection; He et al. 2016). Padded steps give 0.

use super::dense::RowBlocks;
use super::stack::{Layer, Pass, Source, Stack, Strided};
use crate::buffer::Buffer;
use crate::element::Element;
use crate::params::{Inner, Packing, Parameters};
use crate::pool::Worker;
use crate::spec::LayerSpec;

pub const EPSILON: f64 = 1e-5;

/// Gain and bias of a layer's norm, and what its backward pass needs.
pub struct Norm<E: Element> {
    gain: usize,
    bias: usize,
    /// `[R][directions * W]`: (h - mean) / deviation.
    normed: Buffer<E>,
    /// `[R]`: 1 / deviation.
    scale: Buffer<E>,
}

/// A layer's norm and residual connection; only layers that have one of them have this.
pub struct Between<E: Element> {
    norm: Option<Norm<E>>,
    /// Columns of the layer's input and output that are added, as `(input, output, count)`.
    residual: Vec<(usize, usize, usize)>,
    inner: Inner,
    /// `[R][directions * W]`: dL/dh, which the recurrence reads in place of dL/d(output).
    pub above: Buffer<E>,
}

impl<E: Element> Between<E> {
    /// Adds the norm's tensors to `parameters`; none where the layer has neither norm nor residual connection.
    pub fn new(
        spec: &LayerSpec,
        index: usize,
        input: Inner,
        inner: Inner,
        parameters: &mut Parameters,
    ) -> Option<Self> {
        if !spec.layer_norm && !spec.residual {
            return None;
        }
        let norm = spec.layer_norm.then(|| {
            let mut add = |name: &str| {
                let tensor = parameters.add(format!("norm.{index}.{name}"), Packing::Parts { inner });
                parameters.tensors[tensor].offset
            };
            Norm { gain: add("weight"), bias: add("bias"), normed: Buffer::new(0), scale: Buffer::new(0) }
        });
        let residual = if spec.residual { input.shared_runs(inner) } else { Vec::new() };
        Some(Between { norm, residual, inner, above: Buffer::new(0) })
    }

    pub fn reserve(&mut self, rows: usize, backward: bool) {
        let width = self.inner.padded();
        if let Some(norm) = &mut self.norm {
            norm.normed.reserve(rows * width);
            norm.scale.reserve(rows);
        }
        if backward {
            self.above.reserve(rows * width);
        }
    }

    /// Places of the norm's tensors in the flat arrays: gain and bias.
    pub fn norm_tensors(&self) -> Option<(usize, usize)> {
        self.norm.as_ref().map(|norm| (norm.gain, norm.bias))
    }

    /// Normalises a row of h in place.
    ///
    /// # Safety
    /// `row` must be a row of the pass, `out` its output.
    pub(super) unsafe fn normalize(&self, pass: &Pass<E>, row: usize, out: *mut E) {
        let Some(norm) = &self.norm else { return };
        let (inner, width) = (self.inner, self.inner.padded());
        let out = unsafe { std::slice::from_raw_parts_mut(out, width) };
        let normed = unsafe { std::slice::from_raw_parts_mut(norm.normed.at(row * width), width) };
        let size = inner.size() as f64;
        let (mut sum, mut squares) = (0.0, 0.0);
        for part in inner.columns() {
            sum += out[part].iter().map(|value| value.to_f64()).sum::<f64>();
        }
        let mean = sum / size;
        for part in inner.columns() {
            squares += out[part].iter().map(|value| (value.to_f64() - mean).powi(2)).sum::<f64>();
        }
        let scale = 1.0 / (squares / size + EPSILON).sqrt();
        unsafe { *norm.scale.at(row) = E::from_f64(scale) };
        normed.fill(E::ZERO);
        for part in inner.columns() {
            for k in part {
                normed[k] = E::from_f64((out[k].to_f64() - mean) * scale);
                let (gain, bias) = unsafe { (*pass.weights.add(norm.gain + k), *pass.weights.add(norm.bias + k)) };
                out[k] = gain * normed[k] + bias;
            }
        }
    }

    /// Adds the row of the layer's input.
    ///
    /// # Safety
    /// As `normalize`.
    pub(super) unsafe fn add_input(&self, input: *const E, out: *mut E) {
        for &(from, to, count) in &self.residual {
            for k in 0..count {
                unsafe { *out.add(to + k) = *out.add(to + k) + *input.add(from + k) };
            }
        }
    }

    /// dL/dh of the worker's rows from dL/d(output) in the layer's `above`.
    ///
    /// # Safety
    /// As in `layers`; `above` must be complete for these rows.
    pub(super) unsafe fn backward(&self, layer: &Layer<E>, pass: &Pass<E>, blocks: RowBlocks) {
        let (inner, width) = (self.inner, self.inner.padded());
        let dropped = pass.dropout.is_some() && layer.dropout > 0.0;
        for (first, rows) in blocks.stretches() {
            for row in first..first + rows {
                let to = unsafe { std::slice::from_raw_parts_mut(self.above.at(row * width), width) };
                to.fill(E::ZERO);
                if !pass.is_valid(row / pass.batch, row % pass.batch) {
                    continue;
                }
                let from = unsafe { std::slice::from_raw_parts(layer.above.at(row * width), width) };
                to.copy_from_slice(from);
                if dropped {
                    let mask = unsafe { std::slice::from_raw_parts(layer.mask.at(row * width), width) };
                    to.iter_mut().zip(mask).for_each(|(value, &factor)| *value = *value * factor);
                }
                let Some(norm) = &self.norm else { continue };
                let normed = unsafe { std::slice::from_raw_parts(norm.normed.at(row * width), width) };
                let (mut sum, mut product) = (0.0, 0.0);
                // The gain is 0 in the padding.
                for k in 0..width {
                    to[k] = to[k] * unsafe { *pass.weights.add(norm.gain + k) };
                    sum += to[k].to_f64();
                    product += to[k].to_f64() * normed[k].to_f64();
                }
                let size = inner.size() as f64;
                let (mean, slope) = (E::from_f64(sum / size), E::from_f64(product / size));
                let scale = unsafe { *norm.scale.at(row) };
                for part in inner.columns() {
                    for k in part {
                        to[k] = scale * (to[k] - mean - normed[k] * slope);
                    }
                }
            }
        }
    }

    /// Adds dL/d(output) to dL/d(input), rows `input_row` apart, for the worker's rows.
    ///
    /// # Safety
    /// As `backward`; `input` must hold the gradient through the layer.
    pub(super) unsafe fn add_input_gradient(
        &self,
        layer: &Layer<E>,
        pass: &Pass<E>,
        blocks: RowBlocks,
        input: *mut E,
        input_row: usize,
    ) {
        for (first, rows) in blocks.stretches() {
            for row in (first..first + rows).filter(|row| pass.is_valid(row / pass.batch, row % pass.batch)) {
                unsafe { self.add_back(layer, row, input.add(row * input_row)) };
            }
        }
    }

    unsafe fn add_back(&self, layer: &Layer<E>, row: usize, input: *mut E) {
        let above = layer.above.at(row * self.inner.padded());
        for &(to, from, count) in &self.residual {
            for k in 0..count {
                unsafe { *input.add(to + k) = *input.add(to + k) + *above.add(from + k) };
            }
        }
    }

    /// Adds dL/d(output) of all rows to dL/d(embedding) of the distinct tokens that belong to the worker, in the order
    /// of the rows.
    ///
    /// # Safety
    /// As `add_input_gradient`, after a barrier.
    pub(super) unsafe fn add_token_gradient(&self, layer: &Layer<E>, pass: &Pass<E>, worker: &Worker, out: *mut E) {
        let Source::Tokens { width, distinct, index, .. } = pass.source else { return };
        let own = worker.share(distinct);
        if self.residual.is_empty() || own.is_empty() {
            return;
        }
        for row in (0..pass.time * pass.batch).filter(|row| pass.is_valid(row / pass.batch, row % pass.batch)) {
            let token = unsafe { *index.add(row) } as usize;
            if own.contains(&token) {
                unsafe { self.add_back(layer, row, out.add(token * width)) };
            }
        }
    }

    /// Gradients of the norm's gain and bias, for the worker's share of the columns, summed in the order of the rows.
    ///
    /// # Safety
    /// As in `layers`, after a barrier.
    pub(super) unsafe fn weight_gradients(&self, layer: &Layer<E>, pass: &Pass<E>, worker: &Worker) {
        let Some(norm) = &self.norm else { return };
        let width = self.inner.padded();
        let own = worker.share(width);
        let dropped = pass.dropout.is_some() && layer.dropout > 0.0;
        let mut sums = vec![(0.0, 0.0); own.len()];
        for row in (0..pass.time * pass.batch).filter(|row| pass.is_valid(row / pass.batch, row % pass.batch)) {
            for (sum, k) in sums.iter_mut().zip(own.clone()) {
                let at = row * width + k;
                unsafe {
                    let above = *layer.above.at(at);
                    let given = if dropped { above * *layer.mask.at(at) } else { above }.to_f64();
                    sum.0 += given * (*norm.normed.at(at)).to_f64();
                    sum.1 += given;
                }
            }
        }
        for (sum, k) in sums.into_iter().zip(own) {
            let known = self.inner.is_column(k);
            unsafe {
                *pass.gradients.add(norm.gain + k) = E::from_f64(if known { sum.0 } else { 0.0 });
                *pass.gradients.add(norm.bias + k) = E::from_f64(if known { sum.1 } else { 0.0 });
            }
        }
    }
}

impl<E: Element> Stack<E> {
    /// The row that layer `index` reads at row `row` of the pass.
    ///
    /// # Safety
    /// As in `layers`.
    pub(super) unsafe fn input_row(&self, index: usize, pass: &Pass<E>, row: usize) -> *const E {
        let Strided { first, row: distance } = self.layer_input(index, pass);
        let row = match pass.source {
            Source::Tokens { index: tokens, .. } if index == 0 => unsafe { *tokens.add(row) as usize },
            _ => row,
        };
        unsafe { first.add(row * distance) }
    }
}
