//! Plain arrays of 16: correct everywhere, turned into whatever vectors the compiler's target has.

use super::*;

/// The instruction set every processor has.
pub struct Portable;

/// Elements that have a plain-array vector.
pub trait PortableLanes: Sized {
    type Wide: Lanes<Self>;
}

impl PortableLanes for f32 {
    type Wide = Wide<f32>;
}

impl PortableLanes for f64 {
    type Wide = Wide<f64>;
}

impl<E: Element> Isa<E> for Portable {
    const NAME: &'static str = "portable";
    type Vector = <E as PortableLanes>::Wide;

    #[inline(never)]
    unsafe fn call<B: Body<E>>(body: B) {
        unsafe { body.run::<Self::Vector>() }
    }
}

/// 16 elements in an array.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub struct Wide<E>([E; LANES]);

/// The functions that f32 and f64 compute differently.
trait Scalar: Copy {
    fn exp(self) -> Self;
    fn sigmoid(self) -> Self;
    fn tanh(self) -> Self;
}

/// 2^n as a factor, n = round(x / ln 2), and exp(x - n ln 2) - 1; |x| <= 87 or NaN.
#[inline(always)]
fn reduced_exp(x: f32) -> (f32, f32) {
    // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits: no call of a rounding function.
    const MAGIC: f32 = 12_582_912.0;
    let shifted = x * LOG2_E + MAGIC;
    let n = shifted - MAGIC;
    let r = (x - n * LN2_HIGH) - n * LN2_LOW;
    let c = &EXPM1_F32;
    let q = c[0] + r * (c[1] + r * (c[2] + r * (c[3] + r * c[4])));
    let scale = f32::from_bits((shifted.to_bits().wrapping_add(127)) << 23);
    (scale, r + r * r * q)
}

/// Keeps NaN, unlike `f32::clamp` of the ends alone would after `min`/`max`.
#[inline(always)]
fn within(x: f32, limit: f32) -> f32 {
    let x = if x < -limit { -limit } else { x };
    if x > limit { limit } else { x }
}

impl Scalar for f32 {
    #[inline(always)]
    fn exp(self) -> f32 {
        let x = within(self, EXP_LIMIT_F32);
        let (scale, rest) = reduced_exp(x);
        let y = scale + scale * rest;
        if self < -EXP_LIMIT_F32 { 0.0 } else { y }
    }

    #[inline(always)]
    fn sigmoid(self) -> f32 {
        let (scale, rest) = reduced_exp(within(-self, EXP_LIMIT_F32));
        1.0 / (1.0 + (scale + scale * rest))
    }

    #[inline(always)]
    fn tanh(self) -> f32 {
        let (scale, rest) = reduced_exp(2.0 * within(self, TANH_LIMIT_F32));
        let minus_one = scale * rest + (scale - 1.0);
        minus_one / (minus_one + 2.0)
    }
}

impl Scalar for f64 {
    #[inline(always)]
    fn exp(self) -> f64 {
        f64::exp(self)
    }

    #[inline(always)]
    fn sigmoid(self) -> f64 {
        1.0 / (1.0 + f64::exp(-self))
    }

    #[inline(always)]
    fn tanh(self) -> f64 {
        f64::tanh(self)
    }
}

macro_rules! wide {
    ($type:ty) => {
        impl Wide<$type> {
            #[inline(always)]
            fn pairs(self, other: Self, f: impl Fn($type, $type) -> $type) -> Self {
                Wide(std::array::from_fn(|i| f(self.0[i], other.0[i])))
            }

            #[inline(always)]
            fn each(self, f: impl Fn($type) -> $type) -> Self {
                Wide(std::array::from_fn(|i| f(self.0[i])))
            }

            /// Pairwise, the order of the wide registers' reductions.
            #[inline(always)]
            fn fold(self, f: impl Fn($type, $type) -> $type) -> $type {
                let a: [$type; 8] = std::array::from_fn(|i| f(self.0[i], self.0[i + 8]));
                let b: [$type; 4] = std::array::from_fn(|i| f(a[i], a[i + 4]));
                f(f(b[0], b[2]), f(b[1], b[3]))
            }
        }

        impl Lanes<$type> for Wide<$type> {
            const TILE: usize = 4;

            #[inline(always)]
            fn splat(value: $type) -> Self {
                Wide([value; LANES])
            }

            #[inline(always)]
            unsafe fn load(from: *const $type) -> Self {
                Wide(unsafe { *from.cast::<[$type; LANES]>() })
            }

            #[inline(always)]
            unsafe fn store(self, to: *mut $type) {
                unsafe { *to.cast::<[$type; LANES]>() = self.0 }
            }

            #[inline(always)]
            fn add(self, other: Self) -> Self {
                self.pairs(other, |a, b| a + b)
            }

            #[inline(always)]
            fn sub(self, other: Self) -> Self {
                self.pairs(other, |a, b| a - b)
            }

            #[inline(always)]
            fn mul(self, other: Self) -> Self {
                self.pairs(other, |a, b| a * b)
            }

            #[inline(always)]
            fn div(self, other: Self) -> Self {
                self.pairs(other, |a, b| a / b)
            }

            #[inline(always)]
            fn sqrt(self) -> Self {
                self.each(|a| a.sqrt())
            }

            #[inline(always)]
            fn max(self, other: Self) -> Self {
                self.pairs(other, |a, b| if a < b { b } else { a })
            }

            #[inline(always)]
            fn mul_add(self, factor: Self, addend: Self) -> Self {
                Wide(std::array::from_fn(|i| self.0[i] * factor.0[i] + addend.0[i]))
            }

            #[inline(always)]
            fn exp(self) -> Self {
                self.each(Scalar::exp)
            }

            #[inline(always)]
            fn sigmoid(self) -> Self {
                self.each(Scalar::sigmoid)
            }

            #[inline(always)]
            fn tanh(self) -> Self {
                self.each(Scalar::tanh)
            }

            #[inline(always)]
            fn sum(self) -> $type {
                self.fold(|a, b| a + b)
            }

            #[inline(always)]
            fn largest(self) -> $type {
                self.fold(|a, b| if a < b { b } else { a })
            }
        }
    };
}

wide!(f32);
wide!(f64);
