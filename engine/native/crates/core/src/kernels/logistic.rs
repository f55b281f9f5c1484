//! Sigmoid cross-entropy of one row: every output is a yes or no of its own.

use crate::element::Element;
use crate::simd::{Body, LANES, Lanes};

/// Sum over a row's outputs of -y ln p - (1 - y) ln(1 - p) with p = sigmoid(logit), in the form
/// max(x, 0) - x y + ln(1 + exp(-|x|)), which neither overflows nor loses small differences.
pub struct LogisticRow<E> {
    /// `[width]` logits; becomes dL/dlogits = (p - y) * scale when `gradient` is set, 0 in the padding.
    pub row: *mut E,
    /// Padded width, a multiple of 16.
    pub width: usize,
    /// True outputs.
    pub outputs: usize,
    /// `[outputs]` each 0 or 1.
    pub targets: *const E,
    /// 1 / number of valid rows: the factor of the gradient.
    pub scale: E,
    pub gradient: bool,
    /// Receives the loss of this row in nats, summed over its outputs.
    pub loss: *mut f64,
}

impl<E: Element> Body<E> for LogisticRow<E> {
    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        let zero = V::splat(E::ZERO);
        let mut loss = 0.0;
        let (mut wanted, mut far, mut above) = ([E::ZERO; LANES], [E::ZERO; LANES], [E::ZERO; LANES]);
        for first in (0..self.width).step_by(LANES) {
            let count = self.outputs.saturating_sub(first).min(LANES);
            unsafe {
                for (k, slot) in wanted.iter_mut().enumerate() {
                    *slot = if k < count { *self.targets.add(first + k) } else { E::ZERO };
                }
                let x = V::load(self.row.add(first));
                let y = V::load(wanted.as_ptr());
                let size = x.max(zero.sub(x));
                zero.sub(size).exp().store(far.as_mut_ptr());
                x.max(zero).sub(x.mul(y)).store(above.as_mut_ptr());
                for k in 0..count {
                    loss += above[k].to_f64() + far[k].to_f64().ln_1p();
                }
                if self.gradient {
                    let at = self.row.add(first);
                    x.sigmoid().sub(y).mul(V::splat(self.scale)).store(at);
                    for k in count..LANES {
                        *at.add(k) = E::ZERO;
                    }
                }
            }
        }
        unsafe { *self.loss = loss };
    }
}
