//! Attention of one sequence: scores of its queries against its keys, their softmax, and the weighted sum of the values.

use crate::element::Element;
use crate::kernels::KernelKind;
use crate::kernels::elementwise::padding_logit;
use crate::simd::{Avx2, Avx512, Body, Isa, LANES, Lanes, Neon, Portable};

/// Rows of a matrix that belong to one sequence, `row` apart.
#[derive(Clone, Copy)]
pub struct Rows<E> {
    pub first: *mut E,
    pub row: usize,
}

impl<E> Rows<E> {
    #[inline(always)]
    unsafe fn at(self, row: usize, column: usize) -> *mut E {
        unsafe { self.first.add(row * self.row + column) }
    }
}

/// What both passes over a sequence read.
#[derive(Clone, Copy)]
pub struct Sequence<E> {
    /// Number of queries, and of keys that are not padding (at least 1).
    pub queries: usize,
    pub keys: usize,
    /// Query i sees only the keys up to i.
    pub causal: bool,
    /// What is compared, `width` numbers each: `scale * q · k`, or with `vector` `vector · tanh(q + k)`.
    pub query: Rows<E>,
    pub key: Rows<E>,
    pub width: usize,
    pub scale: E,
    pub vector: *const E,
    /// What is summed, `value_width` numbers each.
    pub value: Rows<E>,
    pub value_width: usize,
    /// `[queries][at least keys, a multiple of 16]`: 0 where a key is not seen.
    pub weights: Rows<E>,
}

impl<E> Sequence<E> {
    #[inline(always)]
    fn seen(&self, query: usize) -> usize {
        if self.causal { self.keys.min(query + 1) } else { self.keys }
    }
}

/// Which queries of a sequence a call takes: `first`, `first + step`, … below `end`.
#[derive(Clone, Copy)]
pub struct Queries {
    pub first: usize,
    pub end: usize,
    pub step: usize,
}

impl Queries {
    #[inline(always)]
    fn each(self) -> impl Iterator<Item = usize> {
        (self.first..self.end).step_by(self.step)
    }
}

/// Forward: weights and contexts of some queries.
#[derive(Clone, Copy)]
pub struct Attend<E> {
    pub of: Sequence<E>,
    pub queries: Queries,
    /// Out: sum of the values, `[queries][value_width]`.
    pub context: Rows<E>,
    /// Out: the scores, laid out as the weights; null where they are not wanted.
    pub scores: *mut E,
}

impl<E: Element> Body<E> for Attend<E> {
    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        let of = &self.of;
        for i in self.queries.each() {
            let seen = of.seen(i);
            unsafe {
                let weights = of.weights.at(i, 0);
                for j in 0..seen {
                    let mut sum = V::splat(E::ZERO);
                    for k in (0..of.width).step_by(LANES) {
                        let (q, key) = (V::load(of.query.at(i, k)), V::load(of.key.at(j, k)));
                        sum = if of.vector.is_null() {
                            q.mul_add(key, sum)
                        } else {
                            q.add(key).tanh().mul_add(V::load(of.vector.add(k)), sum)
                        };
                    }
                    *weights.add(j) = sum.sum() * of.scale;
                }
                let padded = seen.next_multiple_of(LANES);
                if !self.scores.is_null() {
                    self.scores.add(i * of.weights.row).copy_from_nonoverlapping(weights, seen);
                }
                for j in seen..padded {
                    *weights.add(j) = padding_logit();
                }
                let mut most = V::load(weights);
                for j in (LANES..padded).step_by(LANES) {
                    most = V::load(weights.add(j)).max(most);
                }
                let most = V::splat(most.largest());
                let mut total = V::splat(E::ZERO);
                for j in (0..padded).step_by(LANES) {
                    let power = V::load(weights.add(j)).sub(most).exp();
                    power.store(weights.add(j));
                    total = total.add(power);
                }
                let total = V::splat(total.sum());
                for j in (0..padded).step_by(LANES) {
                    V::load(weights.add(j)).div(total).store(weights.add(j));
                }
                for j in (padded..of.weights.row).step_by(LANES) {
                    V::splat(E::ZERO).store(weights.add(j));
                }
                for k in (0..of.value_width).step_by(LANES) {
                    let mut sum = V::splat(E::ZERO);
                    for j in 0..seen {
                        sum = V::splat(*weights.add(j)).mul_add(V::load(of.value.at(j, k)), sum);
                    }
                    sum.store(self.context.at(i, k));
                }
            }
        }
    }
}

/// Backward, first: the derivatives of some queries' scores.
#[derive(Clone, Copy)]
pub struct ScoresBack<E> {
    pub of: Sequence<E>,
    pub queries: Queries,
    /// dL/d(context)
    pub context: Rows<E>,
    /// Out, laid out as the weights: dL/d(q · k), or dL/d(vector · tanh(q + k)).
    pub scores: Rows<E>,
}

impl<E: Element> Body<E> for ScoresBack<E> {
    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        let of = &self.of;
        for i in self.queries.each() {
            let seen = of.seen(i);
            unsafe {
                let scores = self.scores.at(i, 0);
                // dL/d(weight), and their mean under the weights.
                let mut mean = E::ZERO;
                for j in 0..seen {
                    let mut sum = V::splat(E::ZERO);
                    for k in (0..of.value_width).step_by(LANES) {
                        sum = V::load(self.context.at(i, k)).mul_add(V::load(of.value.at(j, k)), sum);
                    }
                    let sum = sum.sum();
                    *scores.add(j) = sum;
                    mean = mean + *of.weights.at(i, j) * sum;
                }
                for j in 0..seen {
                    *scores.add(j) = *of.weights.at(i, j) * (*scores.add(j) - mean) * of.scale;
                }
            }
        }
    }
}

/// Backward, then: adds to the derivatives of what is compared and summed, for some of their columns; these may be the
/// same rows. The queries come in rising order.
#[derive(Clone, Copy)]
pub struct AttendBack<E> {
    pub of: Sequence<E>,
    pub queries: Queries,
    /// dL/d(context), and the scores' derivatives.
    pub context: Rows<E>,
    pub scores: Rows<E>,
    /// In and out.
    pub query: Rows<E>,
    pub key: Rows<E>,
    pub value: Rows<E>,
    /// In and out: dL/d(vector) of this sequence; null without one.
    pub vector: *mut E,
    /// Columns of what is compared and of what is summed, as first and end; multiples of 16.
    pub compared: (usize, usize),
    pub summed: (usize, usize),
}

impl<E: Element> Body<E> for AttendBack<E> {
    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        let of = &self.of;
        for i in self.queries.each() {
            for j in 0..of.seen(i) {
                unsafe {
                    let weight = *of.weights.at(i, j);
                    let score = V::splat(*self.scores.at(i, j));
                    for k in (self.summed.0..self.summed.1).step_by(LANES) {
                        let value = self.value.at(j, k);
                        V::splat(weight).mul_add(V::load(self.context.at(i, k)), V::load(value)).store(value);
                    }
                    for k in (self.compared.0..self.compared.1).step_by(LANES) {
                        let (q, key) = (V::load(of.query.at(i, k)), V::load(of.key.at(j, k)));
                        let (dq, dk) = (self.query.at(i, k), self.key.at(j, k));
                        if of.vector.is_null() {
                            score.mul_add(key, V::load(dq)).store(dq);
                            score.mul_add(q, V::load(dk)).store(dk);
                        } else {
                            let bent = q.add(key).tanh();
                            let along = self.vector.add(k);
                            score.mul_add(bent, V::load(along)).store(along);
                            let slope = V::splat(E::ONE).sub(bent.mul(bent));
                            let inside = score.mul(V::load(of.vector.add(k))).mul(slope);
                            inside.add(V::load(dq)).store(dq);
                            inside.add(V::load(dk)).store(dk);
                        }
                    }
                }
            }
        }
    }
}

/// tanh of `count` numbers in place (a multiple of 16).
#[derive(Clone, Copy)]
pub struct Bend<E> {
    pub values: *mut E,
    pub count: usize,
}

impl<E: Element> Body<E> for Bend<E> {
    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        for k in (0..self.count).step_by(LANES) {
            unsafe { V::load(self.values.add(k)).tanh().store(self.values.add(k)) };
        }
    }
}

/// Its derivative: `gradient *= 1 - value^2`.
#[derive(Clone, Copy)]
pub struct BendBack<E> {
    pub values: *const E,
    pub gradient: *mut E,
    pub count: usize,
}

impl<E: Element> Body<E> for BendBack<E> {
    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        for k in (0..self.count).step_by(LANES) {
            unsafe {
                let value = V::load(self.values.add(k));
                let slope = V::splat(E::ONE).sub(value.mul(value));
                V::load(self.gradient.add(k)).mul(slope).store(self.gradient.add(k));
            }
        }
    }
}

/// The passes above for one instruction set.
#[derive(Clone, Copy)]
pub struct AttentionKernels<E: Element> {
    pub attend: unsafe fn(Attend<E>),
    pub scores_back: unsafe fn(ScoresBack<E>),
    pub attend_back: unsafe fn(AttendBack<E>),
    pub bend: unsafe fn(Bend<E>),
    pub bend_back: unsafe fn(BendBack<E>),
}

impl<E: Element> AttentionKernels<E> {
    pub fn of(kind: KernelKind) -> Self {
        match kind {
            KernelKind::Avx512 => Self::with::<Avx512>(),
            KernelKind::Avx2 => Self::with::<Avx2>(),
            KernelKind::Neon => Self::with::<Neon>(),
            KernelKind::Portable => Self::with::<Portable>(),
        }
    }

    fn with<I: Isa<E>>() -> Self {
        AttentionKernels {
            attend: I::call::<Attend<E>>,
            scores_back: I::call::<ScoresBack<E>>,
            attend_back: I::call::<AttendBack<E>>,
            bend: I::call::<Bend<E>>,
            bend_back: I::call::<BendBack<E>>,
        }
    }
}
