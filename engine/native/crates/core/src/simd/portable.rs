//! Plain arrays of 16: correct everywhere, turned into whatever vectors the compiler's target has.

use super::functions::{self, FloatLanes};
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

impl FloatLanes for Wide<f32> {
    #[inline(always)]
    fn within(self, limit: f32) -> Self {
        // Comparisons with NaN are false, so NaN goes through.
        self.each(|x| if x < -limit { -limit } else { x }).each(|x| if x > limit { limit } else { x })
    }

    #[inline(always)]
    fn round(self) -> Self {
        // Adding 1.5 * 2^23 leaves no room for a fraction: no call of a rounding function.
        const MAGIC: f32 = 12_582_912.0;
        self.each(|x| (x + MAGIC) - MAGIC)
    }

    #[inline(always)]
    fn scale(self, power: Self) -> Self {
        self.pairs(power, |x, n| x * f32::from_bits((n as i32 + 127).cast_unsigned() << 23))
    }

    #[inline(always)]
    fn reciprocal(self) -> Self {
        self.each(|x| 1.0 / x)
    }

    #[inline(always)]
    fn zero_where_below(self, condition: Self, limit: f32) -> Self {
        self.pairs(condition, |x, c| if c < limit { 0.0 } else { x })
    }
}

macro_rules! wide {
    ($type:ty, $exp:expr, $sigmoid:expr, $log_sigmoid:expr, $tanh:expr) => {
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
            fn where_positive(self, condition: Self) -> Self {
                self.pairs(condition, |a, c| if c > 0.0 { a } else { 0.0 })
            }

            #[inline(always)]
            fn mul_add(self, factor: Self, addend: Self) -> Self {
                Wide(std::array::from_fn(|i| self.0[i] * factor.0[i] + addend.0[i]))
            }

            #[inline(always)]
            fn exp(self) -> Self {
                $exp(self)
            }

            #[inline(always)]
            fn sigmoid(self) -> Self {
                $sigmoid(self)
            }

            #[inline(always)]
            fn log_sigmoid(self) -> Self {
                $log_sigmoid(self)
            }

            #[inline(always)]
            fn tanh(self) -> Self {
                $tanh(self)
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

wide!(f32, functions::exp, functions::sigmoid, functions::log_sigmoid, functions::tanh);
wide!(
    f64,
    |x: Self| x.each(f64::exp),
    |x: Self| x.each(|v| 1.0 / (1.0 + f64::exp(-v))),
    |x: Self| x.each(|v| v.min(0.0) - f64::ln_1p(f64::exp(-v.abs()))),
    |x: Self| x.each(f64::tanh)
);
