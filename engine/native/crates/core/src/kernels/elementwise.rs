//! Passes without a product: softmax with its gradient, and the optimisers' updates.

use crate::element::Element;
use crate::simd::{Body, LANES, Lanes};

/// Softmax cross-entropy of one row of logits.
pub struct SoftmaxRow<E> {
    /// `[width]` logits; the padding behind the true outputs must hold a value that cannot win (`padding_logit`).
    /// Becomes dL/dlogits when `gradient` is set.
    pub row: *mut E,
    /// Padded width, a multiple of 16.
    pub width: usize,
    pub target: usize,
    /// 1 / number of valid targets: the factor of the gradient.
    pub scale: E,
    pub gradient: bool,
    /// Receives the loss of this row in nats.
    pub loss: *mut f64,
}

/// What padded logits are set to before the softmax: the exponential of its distance from any real logit is 0.
pub fn padding_logit<E: Element>() -> E {
    E::from_f64(-1e30)
}

impl<E: Element> Body<E> for SoftmaxRow<E> {
    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        unsafe {
            let mut most = V::load(self.row);
            for k in (LANES..self.width).step_by(LANES) {
                most = V::load(self.row.add(k)).max(most);
            }
            let most = most.largest();
            let shift = V::splat(most);
            let target_logit = *self.row.add(self.target);
            let mut total = V::splat(E::ZERO);
            for k in (0..self.width).step_by(LANES) {
                let e = V::load(self.row.add(k)).sub(shift).exp();
                if self.gradient {
                    e.store(self.row.add(k));
                }
                total = total.add(e);
            }
            let total = total.sum();
            *self.loss = total.to_f64().ln() + most.to_f64() - target_logit.to_f64();
            if self.gradient {
                let factor = V::splat(self.scale).div(V::splat(total));
                for k in (0..self.width).step_by(LANES) {
                    V::load(self.row.add(k)).mul(factor).store(self.row.add(k));
                }
                let at = self.row.add(self.target);
                *at = *at - self.scale;
            }
        }
    }
}

/// Adam, AdamW and NAdam on a block of weights (a multiple of 16).
pub struct AdamBlock<E> {
    pub weights: *mut E,
    pub gradients: *const E,
    /// Running means of the gradients and of their squares.
    pub first: *mut E,
    pub second: *mut E,
    pub count: usize,
    /// Factor of the gradients from clipping.
    pub clip: E,
    pub beta1: E,
    pub beta2: E,
    /// 1 - beta, rounded once: in f32 `1 - 0.999` would be off by 5e-5 of itself.
    pub rest1: E,
    pub rest2: E,
    pub eps: E,
    /// Learning rate / (1 - beta1^step)
    pub step_size: E,
    /// The same for the gradient itself (NAdam), 0 for the others.
    pub gradient_size: E,
    /// 1 / sqrt(1 - beta2^step)
    pub second_scale: E,
    /// Added to the gradient times the weight (Adam's L2), 0 for AdamW.
    pub decay_gradient: E,
    /// Factor of the weight before the update (AdamW), 1 for Adam.
    pub keep_weight: E,
}

impl<E: Element> Body<E> for AdamBlock<E> {
    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        unsafe {
            let (beta1, beta2) = (V::splat(self.beta1), V::splat(self.beta2));
            let (rest1, rest2) = (V::splat(self.rest1), V::splat(self.rest2));
            let (clip, eps) = (V::splat(self.clip), V::splat(self.eps));
            let (step_size, second_scale) = (V::splat(self.step_size), V::splat(self.second_scale));
            let gradient_size = V::splat(self.gradient_size);
            let (decay, keep) = (V::splat(self.decay_gradient), V::splat(self.keep_weight));
            for k in (0..self.count).step_by(LANES) {
                let w = V::load(self.weights.add(k));
                let g = decay.mul_add(w, V::load(self.gradients.add(k)).mul(clip));
                let m = rest1.mul_add(g, V::load(self.first.add(k)).mul(beta1));
                let v = rest2.mul(g).mul_add(g, V::load(self.second.add(k)).mul(beta2));
                m.store(self.first.add(k));
                v.store(self.second.add(k));
                let below = v.sqrt().mul_add(second_scale, eps);
                let along = gradient_size.mul_add(g, step_size.mul(m));
                w.mul(keep).sub(along.div(below)).store(self.weights.add(k));
            }
        }
    }
}

/// RMSprop and Adagrad on a block of weights (a multiple of 16).
pub struct RmsBlock<E> {
    pub weights: *mut E,
    pub gradients: *const E,
    /// Momentum buffer; null without momentum.
    pub velocity: *mut E,
    /// Mean (RMSprop) or sum (Adagrad) of the squares.
    pub squares: *mut E,
    pub count: usize,
    pub clip: E,
    pub learning_rate: E,
    /// Factors of the old and the new square: alpha and 1 - alpha, or 1 and 1.
    pub keep: E,
    pub add: E,
    pub eps: E,
    pub momentum: E,
    pub decay_gradient: E,
}

impl<E: Element> Body<E> for RmsBlock<E> {
    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        unsafe {
            let (clip, rate) = (V::splat(self.clip), V::splat(self.learning_rate));
            let (keep, add, eps) = (V::splat(self.keep), V::splat(self.add), V::splat(self.eps));
            let (momentum, decay) = (V::splat(self.momentum), V::splat(self.decay_gradient));
            for k in (0..self.count).step_by(LANES) {
                let w = V::load(self.weights.add(k));
                let g = decay.mul_add(w, V::load(self.gradients.add(k)).mul(clip));
                let squares = add.mul(g).mul_add(g, V::load(self.squares.add(k)).mul(keep));
                squares.store(self.squares.add(k));
                let mut along = g.div(squares.sqrt().add(eps));
                if !self.velocity.is_null() {
                    along = V::load(self.velocity.add(k)).mul_add(momentum, along);
                    along.store(self.velocity.add(k));
                }
                w.sub(rate.mul(along)).store(self.weights.add(k));
            }
        }
    }
}

/// Lion on a block of weights (a multiple of 16).
pub struct LionBlock<E> {
    pub weights: *mut E,
    pub gradients: *const E,
    pub mean: *mut E,
    pub count: usize,
    pub clip: E,
    pub learning_rate: E,
    pub beta1: E,
    pub beta2: E,
    /// 1 - beta, rounded once.
    pub rest1: E,
    pub rest2: E,
    /// Factor of the weight before the update.
    pub keep_weight: E,
}

impl<E: Element> Body<E> for LionBlock<E> {
    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        unsafe {
            let (clip, rate, keep) = (V::splat(self.clip), V::splat(self.learning_rate), V::splat(self.keep_weight));
            let (beta1, beta2) = (V::splat(self.beta1), V::splat(self.beta2));
            let (rest1, rest2) = (V::splat(self.rest1), V::splat(self.rest2));
            let zero = V::splat(E::ZERO);
            for k in (0..self.count).step_by(LANES) {
                let w = V::load(self.weights.add(k));
                let g = V::load(self.gradients.add(k)).mul(clip);
                let m = V::load(self.mean.add(k));
                let along = rest1.mul_add(g, m.mul(beta1));
                // The rate times the sign; 0 stays 0.
                let step = rate.where_positive(along).sub(rate.where_positive(zero.sub(along)));
                w.mul(keep).sub(step).store(self.weights.add(k));
                rest2.mul_add(g, m.mul(beta2)).store(self.mean.add(k));
            }
        }
    }
}

/// SGD with or without momentum on a block of weights (a multiple of 16).
pub struct SgdBlock<E> {
    pub weights: *mut E,
    pub gradients: *const E,
    /// Momentum buffer; null without momentum.
    pub velocity: *mut E,
    pub count: usize,
    pub clip: E,
    pub learning_rate: E,
    pub momentum: E,
    pub nesterov: bool,
    pub decay_gradient: E,
}

impl<E: Element> Body<E> for SgdBlock<E> {
    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        unsafe {
            let (clip, rate) = (V::splat(self.clip), V::splat(self.learning_rate));
            let (momentum, decay) = (V::splat(self.momentum), V::splat(self.decay_gradient));
            for k in (0..self.count).step_by(LANES) {
                let w = V::load(self.weights.add(k));
                let mut g = decay.mul_add(w, V::load(self.gradients.add(k)).mul(clip));
                if !self.velocity.is_null() {
                    // A velocity that starts at 0 equals torch's, which starts at the first gradient.
                    let v = V::load(self.velocity.add(k)).mul_add(momentum, g);
                    v.store(self.velocity.add(k));
                    g = if self.nesterov { v.mul_add(momentum, g) } else { v };
                }
                w.sub(rate.mul(g)).store(self.weights.add(k));
            }
        }
    }
}

/// Sum of the squares of `count` numbers (a multiple of 16), short stretches in E and their sum in f64.
pub struct SquareSum<E> {
    pub values: *const E,
    pub count: usize,
    pub out: *mut f64,
}

/// Numbers per stretch of `SquareSum`.
const STRETCH: usize = 64 * LANES;

impl<E: Element> Body<E> for SquareSum<E> {
    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        unsafe {
            let mut total = 0.0;
            for first in (0..self.count).step_by(STRETCH) {
                let mut sum = V::splat(E::ZERO);
                for k in (first..self.count.min(first + STRETCH)).step_by(LANES) {
                    let v = V::load(self.values.add(k));
                    sum = v.mul_add(v, sum);
                }
                total += sum.sum().to_f64();
            }
            *self.out = total;
        }
    }
}

/// Adds each row of `from` to the row of `to` that `index` names, in order: the gradient of a gather.
pub struct ScatterRows<E> {
    pub from: *const E,
    pub from_row: usize,
    pub index: *const u32,
    pub rows: usize,
    /// Vectors of 16 in a row.
    pub columns: usize,
    pub to: *mut E,
    pub to_row: usize,
}

impl<E: Element> Body<E> for ScatterRows<E> {
    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        unsafe {
            for row in 0..self.rows {
                let from = self.from.add(row * self.from_row);
                let to = self.to.add(*self.index.add(row) as usize * self.to_row);
                for k in (0..self.columns * LANES).step_by(LANES) {
                    V::load(to.add(k)).add(V::load(from.add(k))).store(to.add(k));
                }
            }
        }
    }
}

/// `out = sum over rows of left * right` for 16 units, in the order of the rows.
#[derive(Clone, Copy)]
pub struct PairSum<E> {
    pub rows: usize,
    pub left: *const E,
    pub left_row: usize,
    pub right: *const E,
    pub right_row: usize,
    pub out: *mut E,
}

impl<E: Element> Body<E> for PairSum<E> {
    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        unsafe {
            let mut sum = V::splat(E::ZERO);
            for row in 0..self.rows {
                let left = V::load(self.left.add(row * self.left_row));
                sum = left.mul_add(V::load(self.right.add(row * self.right_row)), sum);
            }
            sum.store(self.out);
        }
    }
}
