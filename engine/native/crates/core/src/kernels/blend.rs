//! Passes over whole weights or gradients beside an update: running means, and cutting by value.

use crate::element::Element;
use crate::simd::{Body, LANES, Lanes};

/// `to = keep * to + add * from` for `count` numbers (a multiple of 16); with `keep` 0 the old values are not read.
pub struct Blend<E> {
    pub from: *const E,
    pub to: *mut E,
    pub count: usize,
    pub keep: E,
    pub add: E,
}

impl<E: Element> Body<E> for Blend<E> {
    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        unsafe {
            let (keep, add) = (V::splat(self.keep), V::splat(self.add));
            if self.keep == E::ZERO {
                for k in (0..self.count).step_by(LANES) {
                    V::load(self.from.add(k)).mul(add).store(self.to.add(k));
                }
                return;
            }
            for k in (0..self.count).step_by(LANES) {
                add.mul_add(V::load(self.from.add(k)), V::load(self.to.add(k)).mul(keep)).store(self.to.add(k));
            }
        }
    }
}

/// Scales `count` numbers (a multiple of 16) and cuts each to ±limit.
pub struct Clamp<E> {
    pub values: *mut E,
    pub count: usize,
    pub scale: E,
    pub limit: E,
}

impl<E: Element> Body<E> for Clamp<E> {
    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        unsafe {
            let (zero, scale) = (V::splat(E::ZERO), V::splat(self.scale));
            let least = zero.sub(V::splat(self.limit));
            for k in (0..self.count).step_by(LANES) {
                let value = V::load(self.values.add(k)).mul(scale).max(least);
                zero.sub(zero.sub(value).max(least)).store(self.values.add(k));
            }
        }
    }
}
