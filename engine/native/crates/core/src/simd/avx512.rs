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
    impl Zmm {
        /// 1 / x to within two units in the last place: the estimate has 14 bits, one Newton step doubles them.
        #[inline(always)]
        fn reciprocal(self) -> Self {
            unsafe {
                let y = _mm512_rcp14_ps(self.0);
                let two = _mm512_set1_ps(2.0);
                Zmm(_mm512_mul_ps(y, _mm512_fnmadd_ps(self.0, y, two)))
            }
        }

        /// n = round(x / ln 2) and exp(x - n ln 2) - 1.
        #[inline(always)]
        fn reduced_exp(self) -> (__m512, __m512) {
            unsafe {
                let n = _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(_mm512_mul_ps(
                    self.0,
                    _mm512_set1_ps(LOG2_E),
                ));
                let r = _mm512_fnmadd_ps(n, _mm512_set1_ps(LN2_HIGH), self.0);
                let r = _mm512_fnmadd_ps(n, _mm512_set1_ps(LN2_LOW), r);
                let mut q = _mm512_set1_ps(EXPM1_F32[4]);
                q = _mm512_fmadd_ps(q, r, _mm512_set1_ps(EXPM1_F32[3]));
                q = _mm512_fmadd_ps(q, r, _mm512_set1_ps(EXPM1_F32[2]));
                q = _mm512_fmadd_ps(q, r, _mm512_set1_ps(EXPM1_F32[1]));
                q = _mm512_fmadd_ps(q, r, _mm512_set1_ps(EXPM1_F32[0]));
                (n, _mm512_fmadd_ps(_mm512_mul_ps(r, r), q, r))
            }
        }

        /// Clamped to ±limit; NaN stays NaN because the instructions return their second operand then.
        #[inline(always)]
        fn within(self, limit: f32) -> Self {
            unsafe {
                let x = _mm512_max_ps(_mm512_set1_ps(-limit), self.0);
                Zmm(_mm512_min_ps(_mm512_set1_ps(limit), x))
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
        fn mul_add(self, factor: Self, addend: Self) -> Self {
            unsafe { Zmm(_mm512_fmadd_ps(self.0, factor.0, addend.0)) }
        }

        #[inline(always)]
        fn exp(self) -> Self {
            unsafe {
                let (n, rest) = self.within(EXP_LIMIT_F32).reduced_exp();
                let y = _mm512_scalef_ps(_mm512_add_ps(rest, _mm512_set1_ps(1.0)), n);
                let kept = _mm512_cmp_ps_mask::<_CMP_NLT_UQ>(self.0, _mm512_set1_ps(-EXP_LIMIT_F32));
                Zmm(_mm512_maskz_mov_ps(kept, y))
            }
        }

        #[inline(always)]
        fn sigmoid(self) -> Self {
            unsafe {
                let negative = Zmm(_mm512_sub_ps(_mm512_setzero_ps(), self.0));
                let (n, rest) = negative.within(EXP_LIMIT_F32).reduced_exp();
                let one = _mm512_set1_ps(1.0);
                let e = _mm512_scalef_ps(_mm512_add_ps(rest, one), n);
                Zmm(_mm512_add_ps(e, one)).reciprocal()
            }
        }

        #[inline(always)]
        fn tanh(self) -> Self {
            unsafe {
                let x = self.within(TANH_LIMIT_F32);
                let (n, rest) = Zmm(_mm512_add_ps(x.0, x.0)).reduced_exp();
                // exp(2x) - 1 without cancellation near 0: 2^n * rest + (2^n - 1).
                let one = _mm512_set1_ps(1.0);
                let scale = _mm512_scalef_ps(one, n);
                let minus_one = _mm512_fmadd_ps(scale, rest, _mm512_sub_ps(scale, one));
                let below = Zmm(_mm512_add_ps(minus_one, _mm512_set1_ps(2.0)));
                Zmm(_mm512_mul_ps(minus_one, below.reciprocal().0))
            }
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
