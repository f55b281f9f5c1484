//! exp, sigmoid, log sigmoid and tanh in f32, written once over a few primitives of each instruction set.

use super::Lanes;

/// exp(r) - 1 = r + r^2 * (C[0] + C[1] r + … + C[4] r^4) for |r| <= ln(2) / 2 with a relative error of 1.4e-8
/// (least maximum error, found by reweighted least squares on Chebyshev points).
const EXPM1: [f32; 5] = [0.5, 0.166_665_42, 0.041_666_28, 0.008_366_644, 0.001_394_655_4];

/// ln(2) in two parts: the first has few enough bits that its products with small integers are exact.
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;

/// Arguments of exp beyond this leave the range of normal numbers (and 1 + Newton's step on infinity would be NaN).
const EXP_LIMIT: f32 = 87.0;

/// tanh is 1 in f32 from here on.
const TANH_LIMIT: f32 = 9.02;

/// What the functions need besides arithmetic.
pub trait FloatLanes: Lanes<f32> {
    /// Clamped to ±limit; NaN stays NaN.
    fn within(self, limit: f32) -> Self;
    /// The nearest whole number, for |self| < 2^22.
    fn round(self) -> Self;
    /// `self * 2^power` for whole powers within the range of normal numbers.
    fn scale(self, power: Self) -> Self;
    /// 1 / self to within two units in the last place.
    fn reciprocal(self) -> Self;
    /// 0 where `condition` is below `limit`.
    fn zero_where_below(self, condition: Self, limit: f32) -> Self;
}

/// n = round(x / ln 2) and exp(x - n ln 2) - 1.
#[inline(always)]
fn reduced_exp<V: FloatLanes>(x: V) -> (V, V) {
    let n = x.mul(V::splat(std::f32::consts::LOG2_E)).round();
    let r = n.mul_add(V::splat(-LN2_HIGH), x);
    let r = n.mul_add(V::splat(-LN2_LOW), r);
    let mut q = V::splat(EXPM1[4]);
    for c in [EXPM1[3], EXPM1[2], EXPM1[1], EXPM1[0]] {
        q = q.mul_add(r, V::splat(c));
    }
    (n, r.mul(r).mul_add(q, r))
}

#[inline(always)]
fn exp_within<V: FloatLanes>(x: V) -> V {
    let (n, rest) = reduced_exp(x.within(EXP_LIMIT));
    rest.add(V::splat(1.0)).scale(n)
}

#[inline(always)]
pub fn exp<V: FloatLanes>(x: V) -> V {
    exp_within(x).zero_where_below(x, -EXP_LIMIT)
}

/// 1 / (1 + exp(-x))
#[inline(always)]
pub fn sigmoid<V: FloatLanes>(x: V) -> V {
    exp_within(V::splat(0.0).sub(x)).add(V::splat(1.0)).reciprocal()
}

/// 2 / (2 k + 1) for k = 0, …: log(1 + u) = 2 atanh(s) = s times their sum with powers of s^2, s = u / (u + 2). Up to
/// s = 1 / 3 (u = 1) these seven leave a relative error below 2e-8.
const ATANH: [f32; 7] = [2.0, 2.0 / 3.0, 2.0 / 5.0, 2.0 / 7.0, 2.0 / 9.0, 2.0 / 11.0, 2.0 / 13.0];

/// min(x, 0) - log(1 + exp(-|x|))
#[inline(always)]
pub fn log_sigmoid<V: FloatLanes>(x: V) -> V {
    let zero = V::splat(0.0);
    let minus = zero.sub(x);
    let u = exp(zero.sub(x.max(minus)));
    let s = u.div(u.add(V::splat(2.0)));
    let square = s.mul(s);
    let mut sum = V::splat(ATANH[6]);
    for k in (0..6).rev() {
        sum = sum.mul_add(square, V::splat(ATANH[k]));
    }
    zero.sub(minus.max(zero)).sub(s.mul(sum))
}

/// e / (e + 2) with e = exp(2x) - 1, which keeps its digits near 0.
#[inline(always)]
pub fn tanh<V: FloatLanes>(x: V) -> V {
    let x = x.within(TANH_LIMIT);
    let (n, rest) = reduced_exp(x.add(x));
    let one = V::splat(1.0);
    let scale = one.scale(n);
    let minus_one = scale.mul_add(rest, scale.sub(one));
    minus_one.mul(minus_one.add(V::splat(2.0)).reciprocal())
}
