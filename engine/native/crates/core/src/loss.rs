//! Losses of the head's outputs: softmax cross-entropy, those of values and sigmoid cross-entropy, means over the valid
//! targets.

mod values;

use crate::element::Element;
use crate::kernels::Kernels;
use crate::kernels::elementwise::{SoftmaxRow, padding_logit};
use crate::kernels::logistic::LogisticRow;
use crate::spec::{IGNORED, Target};

pub use values::ValueLoss;

/// Which entries count: those with a target, in rows that belong to their sequence; and what a value costs.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// Rows are t * batch + b; with one row per sequence, `time` is 1 and `lengths` none.
    pub batch: usize,
    pub lengths: Option<&'a [usize]>,
    /// Outputs per row.
    pub outputs: usize,
    pub values: ValueLoss,
}

impl Scope<'_> {
    fn has(&self, row: usize) -> bool {
        self.lengths.is_none_or(|lengths| row / self.batch < lengths[row % self.batch])
    }

    /// Number of entries that the mean divides by, for `rows` rows.
    pub fn count<E: Element>(&self, target: &Target<E>, rows: usize) -> usize {
        match target {
            Target::Tokens(tokens) => (0..rows).filter(|&r| self.has(r) && tokens[r] != IGNORED).count(),
            Target::Values(values) => (0..rows)
                .filter(|&r| self.has(r))
                .map(|r| values[r * self.outputs..(r + 1) * self.outputs].iter().filter(|&&v| !is_nan(v)).count())
                .sum(),
            Target::Bits(_) => (0..rows).filter(|&r| self.has(r)).count(),
        }
    }
}

/// NaN marks a value that is not known.
#[allow(clippy::eq_op)]
fn is_nan<E: Element>(value: E) -> bool {
    value != value
}

/// The head's outputs and where their losses go, shared by all workers.
#[derive(Clone, Copy)]
pub struct Rows<E> {
    /// `[rows][width]`
    pub values: *mut E,
    pub width: usize,
    pub losses: *mut f64,
}

/// Writes the loss of rows `rows` into `out.losses` (sums over a row's outputs, 0 for rows that do not count), and with
/// `scale` = 1 / count turns `out.values` into dL/d(outputs).
///
/// # Safety
/// `out` must cover the rows, and no other worker may touch them.
pub unsafe fn row_losses<E: Element>(
    kernels: &Kernels<E>,
    scope: Scope,
    target: &Target<E>,
    rows: std::ops::Range<usize>,
    out: Rows<E>,
    scale: Option<f64>,
) {
    let width = out.width;
    for row in rows {
        unsafe {
            let outputs = out.values.add(row * width);
            let loss = out.losses.add(row);
            *loss = 0.0;
            let counts = scope.has(row);
            match target {
                Target::Tokens(tokens) if counts && tokens[row] != IGNORED => {
                    for k in scope.outputs..width {
                        *outputs.add(k) = padding_logit();
                    }
                    (kernels.softmax_row)(SoftmaxRow {
                        row: outputs,
                        width,
                        target: tokens[row] as usize,
                        scale: E::from_f64(scale.unwrap_or(0.0)),
                        gradient: scale.is_some(),
                        loss,
                    });
                }
                Target::Values(targets) if counts => {
                    let mut sum = 0.0;
                    for k in 0..scope.outputs {
                        let wanted = targets[row * scope.outputs + k];
                        let output = outputs.add(k);
                        let known = !is_nan(wanted);
                        let difference = if known { (*output - wanted).to_f64() } else { 0.0 };
                        sum += scope.values.of(difference);
                        if let Some(scale) = scale {
                            *output = E::from_f64(scope.values.slope(difference) * scale);
                        }
                    }
                    if scale.is_some() {
                        outputs.add(scope.outputs).write_bytes(0, width - scope.outputs);
                    }
                    *loss = sum;
                }
                Target::Bits(targets) if counts => (kernels.logistic_row)(LogisticRow {
                    row: outputs,
                    width,
                    outputs: scope.outputs,
                    targets: targets.as_ptr().add(row * scope.outputs),
                    scale: E::from_f64(scale.unwrap_or(0.0)),
                    gradient: scale.is_some(),
                    loss,
                }),
                _ => {
                    if scale.is_some() {
                        outputs.write_bytes(0, width);
                    }
                }
            }
        }
    }
}

/// `row_losses` with label smoothing as `torch.nn.CrossEntropyLoss(label_smoothing)` has it: the target's share is
/// 1 - smoothing, and `smoothing` is spread evenly over all classes (Szegedy et al. 2016). Only tokens have classes.
///
/// # Safety
/// As `row_losses`.
pub unsafe fn smoothed_row_losses<E: Element>(
    kernels: &Kernels<E>,
    scope: Scope,
    target: &Target<E>,
    rows: std::ops::Range<usize>,
    out: Rows<E>,
    scale: Option<f64>,
    smoothing: f64,
) {
    let Target::Tokens(tokens) = target else {
        return unsafe { row_losses(kernels, scope, target, rows, out, scale) };
    };
    if smoothing == 0.0 {
        return unsafe { row_losses(kernels, scope, target, rows, out, scale) };
    }
    for row in rows {
        unsafe {
            if !scope.has(row) || tokens[row] == IGNORED {
                row_losses(kernels, scope, target, row..row + 1, out, scale);
                continue;
            }
            let outputs = std::slice::from_raw_parts_mut(out.values.add(row * out.width), scope.outputs);
            let wanted = tokens[row] as usize;
            // The loss spreads from the target's logit to the mean of all; what they have in common stays.
            let moved = outputs[wanted].to_f64() - mean(outputs);
            row_losses(kernels, scope, target, row..row + 1, out, scale);
            *out.losses.add(row) += smoothing * moved;
            if let Some(scale) = scale {
                let each = E::from_f64(scale * smoothing / scope.outputs as f64);
                for output in outputs.iter_mut() {
                    *output = *output - each;
                }
                outputs[wanted] = outputs[wanted] + E::from_f64(scale * smoothing);
            }
        }
    }
}

/// In sixteen lanes, which the compiler can keep in registers.
fn mean<E: Element>(values: &[E]) -> f64 {
    let mut lanes = [0.0f64; 16];
    let whole = values.chunks_exact(16);
    let rest: f64 = whole.remainder().iter().map(|value| value.to_f64()).sum();
    for chunk in whole {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += value.to_f64();
        }
    }
    (lanes.iter().sum::<f64>() + rest) / values.len() as f64
}
