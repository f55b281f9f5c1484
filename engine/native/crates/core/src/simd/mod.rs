//! Vectors of 16 elements, the width of a unit panel, and the instruction sets that provide them.
//!
//! A kernel is written once over `Lanes`; an `Isa` says which vector stands behind it and compiles the kernel's body
//! with its instructions switched on. A further instruction set is one more module and one more line in
//! `kernels::KernelKind`, `kernels::Kernels`, `cells` and `element`.

mod avx2;
mod avx512;
mod functions;
mod neon;
mod portable;

pub use avx2::{Avx2, Avx2Lanes};
pub use avx512::{Avx512, Avx512Lanes};
pub use neon::{Neon, NeonLanes};
pub use portable::{Portable, PortableLanes};

use crate::element::Element;

/// Units per panel: every vector holds this many elements whatever the type or instruction set.
pub const LANES: usize = 16;

/// A vector of 16 elements. All methods are inlined into the kernel's body.
pub trait Lanes<E>: Copy {
    /// How many such vectors a product tile may keep as sums at once.
    const TILE: usize;

    fn splat(value: E) -> Self;
    /// # Safety
    /// `from` must be readable for 16 elements.
    unsafe fn load(from: *const E) -> Self;
    /// # Safety
    /// `to` must be writable for 16 elements.
    unsafe fn store(self, to: *mut E);
    /// The first and the second numbers of 16 pairs of bfloat16.
    ///
    /// # Safety
    /// `from` must be readable for 32 numbers.
    #[inline(always)]
    unsafe fn load_pairs(from: *const u16) -> (Self, Self)
    where
        E: Element,
    {
        let (mut first, mut second) = ([E::ZERO; LANES], [E::ZERO; LANES]);
        for lane in 0..LANES {
            let pair = unsafe { from.cast::<u32>().add(lane).read_unaligned() };
            first[lane] = E::from_f64(f32::from_bits(pair << 16) as f64);
            second[lane] = E::from_f64(f32::from_bits(pair & 0xffff_0000) as f64);
        }
        unsafe { (Self::load(first.as_ptr()), Self::load(second.as_ptr())) }
    }
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    fn div(self, other: Self) -> Self;
    fn sqrt(self) -> Self;
    /// The larger of each pair; `self`'s NaN survives.
    fn max(self, other: Self) -> Self;
    /// `self` where `condition` is above 0, else 0.
    fn where_positive(self, condition: Self) -> Self;
    /// `self * factor + addend`; fused or not depends on the instruction set.
    fn mul_add(self, factor: Self, addend: Self) -> Self;
    fn exp(self) -> Self;
    fn sigmoid(self) -> Self;
    /// log(sigmoid(self)) without loss where sigmoid is near 0 or 1.
    fn log_sigmoid(self) -> Self;
    fn tanh(self) -> Self;
    /// Sum and maximum over the 16 elements, in a fixed order.
    fn sum(self) -> E;
    fn largest(self) -> E;
}

/// A kernel's body, to be compiled for one instruction set.
pub trait Body<E: Element> {
    /// # Safety
    /// The pointers inside must fulfil what the kernel's documentation says.
    unsafe fn run<V: Lanes<E>>(self);
}

/// An instruction set.
pub trait Isa<E: Element>: 'static {
    const NAME: &'static str;
    type Vector: Lanes<E>;

    /// Runs `body` with this instruction set's vectors.
    ///
    /// # Safety
    /// The processor must have the instructions, and `body`'s own conditions must hold.
    unsafe fn call<B: Body<E>>(body: B);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Applies one function to an array through an instruction set.
    struct Apply<'a, E> {
        values: &'a mut [E],
        what: &'static str,
    }

    impl<E: Element> Body<E> for Apply<'_, E> {
        #[inline(always)]
        unsafe fn run<V: Lanes<E>>(self) {
            for chunk in self.values.chunks_exact_mut(LANES) {
                unsafe {
                    let x = V::load(chunk.as_ptr());
                    let y = match self.what {
                        "exp" => x.exp(),
                        "sigmoid" => x.sigmoid(),
                        "log_sigmoid" => x.log_sigmoid(),
                        "tanh" => x.tanh(),
                        other => panic!("{other}"),
                    };
                    y.store(chunk.as_mut_ptr());
                }
            }
        }
    }

    fn inputs() -> Vec<f64> {
        let mut xs: Vec<f64> = (-4000..4000).map(|i| i as f64 * 0.01).collect();
        xs.extend((0..200).map(|i| 10f64.powf(-8.0 + i as f64 * 0.04)));
        xs.extend((0..200).map(|i| -(10f64.powf(-8.0 + i as f64 * 0.04))));
        xs.extend([0.0, -0.0, 86.0, -86.0, 100.0, -100.0, 1e30, -1e30, f64::INFINITY, f64::NEG_INFINITY]);
        while !xs.len().is_multiple_of(LANES) {
            xs.push(1.0);
        }
        xs
    }

    /// Name, exact function, relative tolerance.
    type Reference = (&'static str, fn(f64) -> f64, f64);

    fn check<I: Isa<f32>>() {
        let reference: [Reference; 4] = [
            // exp is used on arguments <= 0 (softmax), sigmoid and tanh on all.
            ("exp", f64::exp, 4e-7),
            ("sigmoid", |x| 1.0 / (1.0 + (-x).exp()), 4e-7),
            ("log_sigmoid", |x: f64| x.min(0.0) - (-x.abs()).exp().ln_1p(), 5e-7),
            ("tanh", f64::tanh, 5e-7),
        ];
        for (what, exact, relative) in reference {
            let xs: Vec<f64> = inputs().into_iter().map(|x| if what == "exp" { -x.abs() } else { x }).collect();
            let mut ys: Vec<f32> = xs.iter().map(|&x| x as f32).collect();
            unsafe { I::call(Apply { values: &mut ys, what }) };
            for (&x, &y) in xs.iter().zip(&ys) {
                let want = exact(x as f32 as f64);
                let error = (y as f64 - want).abs();
                // Equal infinities have no difference.
                let close = y as f64 == want || error <= relative * want.abs() + 2e-37;
                assert!(close, "{} {what}({x}) = {y}, not {want}", I::NAME);
            }
            let mut nan = [f32::NAN; LANES];
            unsafe { I::call(Apply { values: &mut nan, what }) };
            assert!(nan.iter().all(|v| v.is_nan()), "{} {what}(NaN) hides the NaN", I::NAME);
        }
    }

    #[test]
    fn portable_functions_follow_the_standard_library() {
        check::<Portable>();
    }

    #[test]
    fn avx2_functions_follow_the_standard_library() {
        if Avx2::available() {
            check::<Avx2>();
        }
    }

    #[test]
    fn avx512_functions_follow_the_standard_library() {
        if Avx512::available() {
            check::<Avx512>();
        }
    }

    #[test]
    fn neon_functions_follow_the_standard_library() {
        if Neon::available() {
            check::<Neon>();
        }
    }
}
