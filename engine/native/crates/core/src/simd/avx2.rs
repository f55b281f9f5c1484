//! AVX2 with FMA: two 256-bit registers hold 16 f32. f64 goes through the plain arrays, compiled with these
//! instructions.

use super::*;

/// AVX2 and FMA, as nearly all x86 processors since 2013 have them.
pub struct Avx2;

impl Avx2 {
    /// Whether this processor has the instructions.
    pub fn available() -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            false
        }
    }
}

/// Elements that have a vector for AVX2.
pub trait Avx2Lanes: Sized {
    type Vector: Lanes<Self>;
}

impl Avx2Lanes for f64 {
    type Vector = <f64 as PortableLanes>::Wide;
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::*;
    use crate::simd::functions::{self, FloatLanes};
    use std::arch::x86_64::*;

    impl<E: Element> Isa<E> for Avx2 {
        const NAME: &'static str = "avx2";
        type Vector = <E as Avx2Lanes>::Vector;

        #[target_feature(enable = "avx2,fma")]
        unsafe fn call<B: Body<E>>(body: B) {
            unsafe { body.run::<Self::Vector>() }
        }
    }

    impl Avx2Lanes for f32 {
        type Vector = Pair;
    }

    /// 16 f32 in two registers.
    #[derive(Clone, Copy)]
    pub struct Pair(__m256, __m256);

    // Every method below is only reached from `Avx2::call`, which is compiled with the instructions and is only chosen
    // after `Avx2::available` said yes; that is what makes the calls of the intrinsics sound.
    macro_rules! both {
        ($operation:ident($a:expr, $b:expr)) => {
            unsafe { Pair($operation($a.0, $b.0), $operation($a.1, $b.1)) }
        };
    }

    impl Pair {
        /// Pairwise, in the order of the wider registers' reductions.
        #[inline(always)]
        fn fold(self, f: impl Fn(f32, f32) -> f32, halves: __m256) -> f32 {
            let mut a = [0f32; 8];
            unsafe { _mm256_storeu_ps(a.as_mut_ptr(), halves) };
            let b: [f32; 4] = std::array::from_fn(|i| f(a[i], a[i + 4]));
            f(f(b[0], b[2]), f(b[1], b[3]))
        }
    }

    impl FloatLanes for Pair {
        #[inline(always)]
        fn within(self, limit: f32) -> Self {
            // The instructions return their second operand when one is NaN.
            let x = both!(_mm256_max_ps(Self::splat(-limit), self));
            both!(_mm256_min_ps(Self::splat(limit), x))
        }

        #[inline(always)]
        fn round(self) -> Self {
            const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
            unsafe { Pair(_mm256_round_ps::<NEAREST>(self.0), _mm256_round_ps::<NEAREST>(self.1)) }
        }

        #[inline(always)]
        fn scale(self, power: Self) -> Self {
            let factor = |n: __m256| unsafe {
                let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
                _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent))
            };
            self.mul(Pair(factor(power.0), factor(power.1)))
        }

        #[inline(always)]
        fn reciprocal(self) -> Self {
            Self::splat(1.0).div(self)
        }

        #[inline(always)]
        fn zero_where_below(self, condition: Self, limit: f32) -> Self {
            let limit = Self::splat(limit);
            let kept = |c: __m256, limit: __m256| unsafe { _mm256_cmp_ps::<_CMP_NLT_UQ>(c, limit) };
            let kept = Pair(kept(condition.0, limit.0), kept(condition.1, limit.1));
            both!(_mm256_and_ps(self, kept))
        }
    }

    impl Lanes<f32> for Pair {
        /// 12 of 16 registers.
        const TILE: usize = 6;

        #[inline(always)]
        fn splat(value: f32) -> Self {
            let v = unsafe { _mm256_set1_ps(value) };
            Pair(v, v)
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            unsafe { Pair(_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))) }
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe {
                _mm256_storeu_ps(to, self.0);
                _mm256_storeu_ps(to.add(8), self.1);
            }
        }

        #[inline(always)]
        unsafe fn load_pairs(from: *const u16) -> (Self, Self) {
            let half = |at: usize| unsafe { _mm256_loadu_si256(from.add(at).cast()) };
            let first = |pairs| unsafe { _mm256_castsi256_ps(_mm256_slli_epi32::<16>(pairs)) };
            let second = |pairs| unsafe { _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32(-65536))) };
            let (low, high) = (half(0), half(LANES));
            (Pair(first(low), first(high)), Pair(second(low), second(high)))
        }

        #[inline(always)]
        fn add(self, other: Self) -> Self {
            both!(_mm256_add_ps(self, other))
        }

        #[inline(always)]
        fn sub(self, other: Self) -> Self {
            both!(_mm256_sub_ps(self, other))
        }

        #[inline(always)]
        fn mul(self, other: Self) -> Self {
            both!(_mm256_mul_ps(self, other))
        }

        #[inline(always)]
        fn div(self, other: Self) -> Self {
            both!(_mm256_div_ps(self, other))
        }

        #[inline(always)]
        fn sqrt(self) -> Self {
            unsafe { Pair(_mm256_sqrt_ps(self.0), _mm256_sqrt_ps(self.1)) }
        }

        #[inline(always)]
        fn max(self, other: Self) -> Self {
            both!(_mm256_max_ps(other, self))
        }

        #[inline(always)]
        fn where_positive(self, condition: Self) -> Self {
            let zero = Self::splat(0.0);
            let kept = |c: __m256, zero: __m256| unsafe { _mm256_cmp_ps::<_CMP_GT_OQ>(c, zero) };
            let kept = Pair(kept(condition.0, zero.0), kept(condition.1, zero.1));
            both!(_mm256_and_ps(self, kept))
        }

        #[inline(always)]
        fn mul_add(self, factor: Self, addend: Self) -> Self {
            unsafe { Pair(_mm256_fmadd_ps(self.0, factor.0, addend.0), _mm256_fmadd_ps(self.1, factor.1, addend.1)) }
        }

        #[inline(always)]
        fn exp(self) -> Self {
            functions::exp(self)
        }

        #[inline(always)]
        fn sigmoid(self) -> Self {
            functions::sigmoid(self)
        }

        #[inline(always)]
        fn log_sigmoid(self) -> Self {
            functions::log_sigmoid(self)
        }

        #[inline(always)]
        fn tanh(self) -> Self {
            functions::tanh(self)
        }

        #[inline(always)]
        fn sum(self) -> f32 {
            self.fold(|a, b| a + b, unsafe { _mm256_add_ps(self.0, self.1) })
        }

        #[inline(always)]
        fn largest(self) -> f32 {
            self.fold(f32::max, unsafe { _mm256_max_ps(self.0, self.1) })
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod elsewhere {
    use super::*;

    impl<E: Element> Isa<E> for Avx2 {
        const NAME: &'static str = "avx2";
        type Vector = <E as Avx2Lanes>::Vector;

        unsafe fn call<B: Body<E>>(_body: B) {
            unreachable!("AVX2 is never chosen where Avx2::available is false")
        }
    }

    impl Avx2Lanes for f32 {
        type Vector = <f32 as PortableLanes>::Wide;
    }
}
