//! AVX-512: one 512-bit register holds 16 f32. f64 goes through the plain arrays, compiled with these instructions.

use super::*;

/// AVX-512 F, DQ, BW and VL, as all server and desktop processors with AVX-512 have had since 2017.
pub struct Avx512;

impl Avx512 {
    /// Whether this processor has the instructions.
    pub fn available() -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("fma")
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            false
        }
    }
}

/// Elements that have a vector for AVX-512.
pub trait Avx512Lanes: Sized {
    type Vector: Lanes<Self>;
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::*;
    use crate::simd::functions::{self, FloatLanes};
    use std::arch::x86_64::*;

    impl<E: Element> Isa<E> for Avx512 {
        const NAME: &'static str = "avx512";
        type Vector = <E as Avx512Lanes>::Vector;

        #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")]
        unsafe fn call<B: Body<E>>(body: B) {
            unsafe { body.run::<Self::Vector>() }
        }
    }

    impl Avx512Lanes for f32 {
        type Vector = Zmm;
    }

    impl Avx512Lanes for f64 {
        type Vector = <f64 as PortableLanes>::Wide;
    }

    /// 16 f32 in one register.
    #[derive(Clone, Copy)]
    #[repr(transparent)]
    pub struct Zmm(__m512);

    // Every method below is only reached from `Avx512::call`, which is compiled with the instructions and is only
    // chosen after `Avx512::available` said yes; that is what makes the calls of the intrinsics sound.
    impl FloatLanes for Zmm {
        #[inline(always)]
        fn within(self, limit: f32) -> Self {
            // The instructions return their second operand when one is NaN.
            unsafe {
                let x = _mm512_max_ps(_mm512_set1_ps(-limit), self.0);
                Zmm(_mm512_min_ps(_mm512_set1_ps(limit), x))
            }
        }

        #[inline(always)]
        fn round(self) -> Self {
            unsafe { Zmm(_mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0)) }
        }

        #[inline(always)]
        fn scale(self, power: Self) -> Self {
            unsafe { Zmm(_mm512_scalef_ps(self.0, power.0)) }
        }

        #[inline(always)]
        fn reciprocal(self) -> Self {
            // The estimate has 14 bits, one Newton step doubles them.
            unsafe {
                let y = _mm512_rcp14_ps(self.0);
                let two = _mm512_set1_ps(2.0);
                Zmm(_mm512_mul_ps(y, _mm512_fnmadd_ps(self.0, y, two)))
            }
        }

        #[inline(always)]
        fn zero_where_below(self, condition: Self, limit: f32) -> Self {
            unsafe {
                let kept = _mm512_cmp_ps_mask::<_CMP_NLT_UQ>(condition.0, _mm512_set1_ps(limit));
                Zmm(_mm512_maskz_mov_ps(kept, self.0))
            }
        }
    }

    impl Lanes<f32> for Zmm {
        const TILE: usize = 24;

        #[inline(always)]
        fn splat(value: f32) -> Self {
            unsafe { Zmm(_mm512_set1_ps(value)) }
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            unsafe { Zmm(_mm512_loadu_ps(from)) }
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe { _mm512_storeu_ps(to, self.0) }
        }

        #[inline(always)]
        unsafe fn load_pairs(from: *const u16) -> (Self, Self) {
            unsafe {
                let pairs = _mm512_loadu_si512(from.cast());
                let second = _mm512_and_si512(pairs, _mm512_set1_epi32(-65536));
                (Zmm(_mm512_castsi512_ps(_mm512_slli_epi32::<16>(pairs))), Zmm(_mm512_castsi512_ps(second)))
            }
        }

        #[inline(always)]
        fn add(self, other: Self) -> Self {
            unsafe { Zmm(_mm512_add_ps(self.0, other.0)) }
        }

        #[inline(always)]
        fn sub(self, other: Self) -> Self {
            unsafe { Zmm(_mm512_sub_ps(self.0, other.0)) }
        }

        #[inline(always)]
        fn mul(self, other: Self) -> Self {
            unsafe { Zmm(_mm512_mul_ps(self.0, other.0)) }
        }

        #[inline(always)]
        fn div(self, other: Self) -> Self {
            unsafe { Zmm(_mm512_div_ps(self.0, other.0)) }
        }

        #[inline(always)]
        fn sqrt(self) -> Self {
            unsafe { Zmm(_mm512_sqrt_ps(self.0)) }
        }

        #[inline(always)]
        fn max(self, other: Self) -> Self {
            unsafe { Zmm(_mm512_max_ps(other.0, self.0)) }
        }

        #[inline(always)]
        fn where_positive(self, condition: Self) -> Self {
            unsafe {
                let kept = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(condition.0, _mm512_setzero_ps());
                Zmm(_mm512_maskz_mov_ps(kept, self.0))
            }
        }

        #[inline(always)]
        fn mul_add(self, factor: Self, addend: Self) -> Self {
            unsafe { Zmm(_mm512_fmadd_ps(self.0, factor.0, addend.0)) }
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
            unsafe { _mm512_reduce_add_ps(self.0) }
        }

        #[inline(always)]
        fn largest(self) -> f32 {
            unsafe { _mm512_reduce_max_ps(self.0) }
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod elsewhere {
    use super::*;

    impl<E: Element> Isa<E> for Avx512 {
        const NAME: &'static str = "avx512";
        type Vector = <E as Avx512Lanes>::Vector;

        unsafe fn call<B: Body<E>>(_body: B) {
            unreachable!("AVX-512 is never chosen where Avx512::available is false")
        }
    }

    impl Avx512Lanes for f32 {
        type Vector = <f32 as PortableLanes>::Wide;
    }

    impl Avx512Lanes for f64 {
        type Vector = <f64 as PortableLanes>::Wide;
    }
}
