//! How fast this processor multiplies and adds when nothing else stands in the way: the roof of every product.

use crate::element::Element;
use crate::simd::{Body, LANES, Lanes};

/// Multiplies and adds in registers only.
pub struct Peak<E> {
    pub rounds: usize,
    /// Receives what the sums came to, so that they are computed at all; `[16]`.
    pub out: *mut E,
    /// Receives the number of floating-point operations; a multiplication with an addition counts as two.
    pub operations: *mut f64,
}

impl<E: Element> Peak<E> {
    /// With N sums in flight, enough to hide the latency and few enough for the registers.
    #[inline(always)]
    unsafe fn sums<V: Lanes<E>, const N: usize>(self) {
        let factor = V::splat(std::hint::black_box(E::from_f64(0.5)));
        let mut sums: [V; N] = std::array::from_fn(|i| V::splat(E::from_f64(i as f64)));
        for _ in 0..self.rounds {
            for sum in &mut sums {
                *sum = sum.mul_add(factor, factor);
            }
        }
        for sum in sums {
            unsafe { sum.store(self.out) };
            std::hint::black_box(self.out);
        }
        unsafe { *self.operations = 2.0 * (self.rounds * N * LANES) as f64 };
    }
}

impl<E: Element> Body<E> for Peak<E> {
    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        unsafe {
            if const { V::TILE >= 12 } {
                self.sums::<V, 12>();
            } else {
                self.sums::<V, 6>();
            }
        }
    }
}
