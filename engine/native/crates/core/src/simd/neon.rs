//! NEON: four 128-bit registers hold 16 f32, eight hold 16 f64.

use super::*;

/// NEON (Advanced SIMD), which every 64-bit ARM processor has.
pub struct Neon;

impl Neon {
    /// Whether this processor has the instructions.
    pub fn available() -> bool {
        #[cfg(target_arch = "aarch64")]
        {
            std::arch::is_aarch64_feature_detected!("neon")
        }
        #[cfg(not(target_arch = "aarch64"))]
        {
            false
        }
    }
}

/// Elements that have a vector for NEON.
pub trait NeonLanes: Sized {
    type Vector: Lanes<Self>;
}

#[cfg(target_arch = "aarch64")]
mod arm {
    use super::*;
    use crate::simd::functions::{self, FloatLanes};
    use std::arch::aarch64::*;

    impl<E: Element> Isa<E> for Neon {
        const NAME: &'static str = "neon";
        type Vector = <E as NeonLanes>::Vector;

        #[target_feature(enable = "neon")]
        unsafe fn call<B: Body<E>>(body: B) {
            unsafe { body.run::<Self::Vector>() }
        }
    }

    impl NeonLanes for f32 {
        type Vector = Four;
    }

    impl NeonLanes for f64 {
        type Vector = Eight;
    }

    /// 16 f32 in four registers.
    #[derive(Clone, Copy)]
    pub struct Four(float32x4_t, float32x4_t, float32x4_t, float32x4_t);

    /// 16 f64 in eight registers.
    #[derive(Clone, Copy)]
    pub struct Eight(
        float64x2_t,
        float64x2_t,
        float64x2_t,
        float64x2_t,
        float64x2_t,
        float64x2_t,
        float64x2_t,
        float64x2_t,
    );

    // Every method below is only reached from `Neon::call`, which is only chosen after `Neon::available` said yes; that
    // is what makes the calls of the intrinsics sound.
    macro_rules! registers {
        (
            $vector:ident of $element:ty, $per_register:literal in each of [$($register:tt)*],
            tile $tile:literal,
            $splat:ident $load:ident $store:ident $add:ident $sub:ident $mul:ident $div:ident $sqrt:ident $max:ident
            $above:ident $select:ident $fused:ident,
            $exp:expr, $sigmoid:expr, $log_sigmoid:expr, $tanh:expr
        ) => {
            impl $vector {
                #[inline(always)]
                fn to_array(self) -> [$element; LANES] {
                    let mut values = [0.0; LANES];
                    unsafe { self.store(values.as_mut_ptr()) };
                    values
                }

                /// Pairwise, in the order of the wider registers' reductions.
                #[inline(always)]
                fn fold(self, f: impl Fn($element, $element) -> $element) -> $element {
                    let values = self.to_array();
                    let a: [$element; 8] = std::array::from_fn(|i| f(values[i], values[i + 8]));
                    let b: [$element; 4] = std::array::from_fn(|i| f(a[i], a[i + 4]));
                    f(f(b[0], b[2]), f(b[1], b[3]))
                }
            }

            impl Lanes<$element> for $vector {
                const TILE: usize = $tile;

                #[inline(always)]
                fn splat(value: $element) -> Self {
                    let v = unsafe { $splat(value) };
                    let copy = |_register: usize| v;
                    $vector($(copy($register)),*)
                }

                #[inline(always)]
                unsafe fn load(from: *const $element) -> Self {
                    unsafe { $vector($($load(from.add($register * $per_register))),*) }
                }

                #[inline(always)]
                unsafe fn store(self, to: *mut $element) {
                    unsafe { $($store(to.add($register * $per_register), self.$register);)* }
                }

                #[inline(always)]
                fn add(self, other: Self) -> Self {
                    unsafe { $vector($($add(self.$register, other.$register)),*) }
                }

                #[inline(always)]
                fn sub(self, other: Self) -> Self {
                    unsafe { $vector($($sub(self.$register, other.$register)),*) }
                }

                #[inline(always)]
                fn mul(self, other: Self) -> Self {
                    unsafe { $vector($($mul(self.$register, other.$register)),*) }
                }

                #[inline(always)]
                fn div(self, other: Self) -> Self {
                    unsafe { $vector($($div(self.$register, other.$register)),*) }
                }

                #[inline(always)]
                fn sqrt(self) -> Self {
                    unsafe { $vector($($sqrt(self.$register)),*) }
                }

                #[inline(always)]
                fn max(self, other: Self) -> Self {
                    unsafe { $vector($($max(self.$register, other.$register)),*) }
                }

                #[inline(always)]
                fn where_positive(self, condition: Self) -> Self {
                    unsafe {
                        let zero = $splat(0.0);
                        $vector($($select($above(condition.$register, zero), self.$register, zero)),*)
                    }
                }

                #[inline(always)]
                fn mul_add(self, factor: Self, addend: Self) -> Self {
                    unsafe { $vector($($fused(addend.$register, self.$register, factor.$register)),*) }
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
                fn sum(self) -> $element {
                    self.fold(|a, b| a + b)
                }

                #[inline(always)]
                fn largest(self) -> $element {
                    self.fold(<$element>::max)
                }
            }
        };
    }

    // 20 of the 32 registers hold sums, up to 8 a piece of the right operand; with 24 the compiler spills.
    registers!(Four of f32, 4 in each of [0 1 2 3],
        tile 5,
        vdupq_n_f32 vld1q_f32 vst1q_f32 vaddq_f32 vsubq_f32 vmulq_f32 vdivq_f32 vsqrtq_f32 vmaxq_f32
        vcgtq_f32 vbslq_f32 vfmaq_f32,
        functions::exp, functions::sigmoid, functions::log_sigmoid, functions::tanh);

    // The functions in f64 are the standard library's, lane by lane.
    registers!(Eight of f64, 2 in each of [0 1 2 3 4 5 6 7],
        tile 2,
        vdupq_n_f64 vld1q_f64 vst1q_f64 vaddq_f64 vsubq_f64 vmulq_f64 vdivq_f64 vsqrtq_f64 vmaxq_f64
        vcgtq_f64 vbslq_f64 vfmaq_f64,
        |x: Self| x.each(f64::exp),
        |x: Self| x.each(|v| 1.0 / (1.0 + f64::exp(-v))),
        |x: Self| x.each(|v| v.min(0.0) - f64::ln_1p(f64::exp(-v.abs()))),
        |x: Self| x.each(f64::tanh));

    impl Eight {
        #[inline(always)]
        fn each(self, f: impl Fn(f64) -> f64) -> Self {
            let values = self.to_array().map(f);
            unsafe { Self::load(values.as_ptr()) }
        }
    }

    impl Four {
        #[inline(always)]
        fn each(self, f: impl Fn(float32x4_t) -> float32x4_t) -> Self {
            Four(f(self.0), f(self.1), f(self.2), f(self.3))
        }

        #[inline(always)]
        fn pairs(self, other: Self, f: impl Fn(float32x4_t, float32x4_t) -> float32x4_t) -> Self {
            Four(f(self.0, other.0), f(self.1, other.1), f(self.2, other.2), f(self.3, other.3))
        }
    }

    impl FloatLanes for Four {
        #[inline(always)]
        fn within(self, limit: f32) -> Self {
            // The instructions return NaN when an operand is NaN.
            let (low, high) = unsafe { (vdupq_n_f32(-limit), vdupq_n_f32(limit)) };
            self.each(|x| unsafe { vminq_f32(vmaxq_f32(x, low), high) })
        }

        #[inline(always)]
        fn round(self) -> Self {
            self.each(|x| unsafe { vrndnq_f32(x) })
        }

        #[inline(always)]
        fn scale(self, power: Self) -> Self {
            self.pairs(power, |x, n| unsafe {
                let exponent = vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127));
                vmulq_f32(x, vreinterpretq_f32_s32(vshlq_n_s32::<23>(exponent)))
            })
        }

        #[inline(always)]
        fn reciprocal(self) -> Self {
            // The estimate has 8 bits and is the same on all processors; each Newton step doubles them.
            self.each(|x| unsafe {
                let y = vrecpeq_f32(x);
                let y = vmulq_f32(y, vrecpsq_f32(x, y));
                vmulq_f32(y, vrecpsq_f32(x, y))
            })
        }

        #[inline(always)]
        fn zero_where_below(self, condition: Self, limit: f32) -> Self {
            let (zero, limit) = unsafe { (vdupq_n_f32(0.0), vdupq_n_f32(limit)) };
            self.pairs(condition, |x, c| unsafe { vbslq_f32(vcltq_f32(c, limit), zero, x) })
        }
    }
}

#[cfg(not(target_arch = "aarch64"))]
mod elsewhere {
    use super::*;

    impl<E: Element> Isa<E> for Neon {
        const NAME: &'static str = "neon";
        type Vector = <E as NeonLanes>::Vector;

        unsafe fn call<B: Body<E>>(_body: B) {
            unreachable!("NEON is never chosen where Neon::available is false")
        }
    }

    impl NeonLanes for f32 {
        type Vector = <f32 as PortableLanes>::Wide;
    }

    impl NeonLanes for f64 {
        type Vector = <f64 as PortableLanes>::Wide;
    }
}
