//! sLSTM with exponential gates, one head (Beck et al. 2024, xLSTM): with a~ = W x + U h + b,
//! m_t = max(log f + m, i~), i = exp(i~ - m_t), f = exp(log f + m - m_t), z = tanh(z~), o = sigmoid(o~),
//! c_t = f c + i z, n_t = f n + i, h_t = o c_t / n_t. The option `forget` says what log f is: log sigmoid(f~), or f~
//! itself (`exp`).
//!
//! c and n are stabilised: the true ones times exp(-m). h does not depend on m, so m is held constant in the backward
//! pass; only the m before the first step has a derivative, by the f of that step.

use super::lstm::{C, H};
use super::*;

pub struct SLstm<const FORGET: u8>;

pub(super) const SIGMOID: u8 = 0;
const EXP: u8 = 1;
const CHOICES: &[&str] = &["sigmoid", "exp"];

const I: usize = 0;
const F: usize = 1;
const Z: usize = 2;
const O: usize = 3;
const N: usize = 2;
const M: usize = 3;
/// Derivative of log f with respect to f~, kept for the backward pass.
const SLOPE: usize = 0;

impl<const FORGET: u8> Cell for SLstm<FORGET> {
    const INFO: CellInfo = CellInfo {
        name: "slstm",
        signals: &[
            gate("f", F),
            gate("i", I),
            signed("z", Z),
            gate("o", O),
            unbounded("m", M),
            unbounded("n", N),
            unbounded("c", C),
            state("h", H),
        ],
        // The fixtures' names of the stabilised gates.
        internals: &[gate("i_stab", I), gate("f_stab", F)],
        gate_order: &["i", "f", "z", "o"],
        states: &["h", "c", "n", "m"],
        positive_states: &["n"],
        equations: if FORGET == EXP {
            &[
                equation("f", "exp(f̃_{t} + m_{t−1} − m_{t}),  f̃_{t} = W_{xf}x_{t} + W_{hf}h_{t−1} + b_{f}", "forget"),
                EQUATION_I,
                EQUATION_Z,
                EQUATION_O,
                equation("m", "max(f̃_{t} + m_{t−1}, ĩ_{t})", "stabilizer"),
                EQUATION_N,
                EQUATION_C,
                EQUATION_H,
            ]
        } else {
            &[
                equation(
                    "f",
                    "exp(log σ(f̃_{t}) + m_{t−1} − m_{t}),  f̃_{t} = W_{xf}x_{t} + W_{hf}h_{t−1} + b_{f}",
                    "forget",
                ),
                EQUATION_I,
                EQUATION_Z,
                EQUATION_O,
                equation("m", "max(log σ(f̃_{t}) + m_{t−1}, ĩ_{t})", "stabilizer"),
                EQUATION_N,
                EQUATION_C,
                EQUATION_H,
            ]
        },
        options: &[CellOption::choice("forget", CHOICES)],
        choice: &[("forget", CHOICES[FORGET as usize])],
        step: if FORGET == EXP { &STEP_EXP } else { &STEP_SIGMOID },
        ..CellInfo::BASE
    };

    const LAYOUT: Layout = Layout {
        slots: 4,
        input: Feed { first: 0, gates: &[I, F, Z, O] },
        recurrent: Feed { first: 0, gates: &[I, F, Z, O] },
        states: 4,
        saved: 1,
        ..Layout::BASE
    };

    const VARIANTS: &'static [&'static dyn CellEntry] =
        &[&Entry::<SLstm<SIGMOID>>(PhantomData), &Entry::<SLstm<EXP>>(PhantomData)];

    #[inline(always)]
    fn forward<E: Element, V: Lanes<E>>(
        gates: &mut [V; MAX_SLOTS],
        states: &mut [V; MAX_STATES],
        saved: &mut [V; MAX_SAVED],
        _vectors: &[V; MAX_VECTORS],
    ) {
        let one = V::splat(E::ONE);
        let (log_f, slope) = if FORGET == EXP {
            (gates[F], one)
        } else {
            (gates[F].log_sigmoid(), V::splat(E::ZERO).sub(gates[F]).sigmoid())
        };
        let kept = log_f.add(states[M]);
        let m = kept.max(gates[I]);
        let i = gates[I].sub(m).exp();
        let f = kept.sub(m).exp();
        let z = gates[Z].tanh();
        let o = gates[O].sigmoid();
        let c = f.mul_add(states[C], i.mul(z));
        let n = f.mul_add(states[N], i);
        *gates = slots([i, f, z, o]);
        saved[SLOPE] = slope;
        *states = [o.mul(c.div(n)), c, n, m];
    }

    #[inline(always)]
    fn backward<E: Element, V: Lanes<E>>(recorded: &Recorded<V>, reaching: &[V; MAX_STATES]) -> Derivatives<V> {
        let zero = V::splat(E::ZERO);
        let [i, f, z, o, ..] = recorded.gates;
        let [_, c, n, _] = recorded.state;
        let shown = c.div(n);
        let dh = reaching[H];
        // of the quotient c / n, by n
        let part = dh.mul(o).div(n);
        let dc = reaching[C].add(part);
        let dn = reaching[N].sub(part.mul(shown));
        // of the exponents of i and f
        let di = z.mul_add(dc, dn).mul(i);
        let df = recorded.previous[C].mul_add(dc, recorded.previous[N].mul(dn)).mul(f);
        let dz = dc.mul(i).mul(tanh_slope(z));
        let d_o = dh.mul(shown).mul(gate_slope(o));
        Derivatives {
            gates: slots([di, df.mul(recorded.saved[SLOPE]), dz, d_o]),
            total: [dh, dc, dn, zero],
            carry: [zero, dc.mul(f), dn.mul(f), df],
        }
    }
}

const EQUATION_I: Equation = equation("i", "exp(ĩ_{t} − m_{t}),  ĩ_{t} = W_{xi}x_{t} + W_{hi}h_{t−1} + b_{i}", "input");
const EQUATION_Z: Equation = equation("z", "tanh(W_{xz}x_{t} + W_{hz}h_{t−1} + b_{z})", "candidate");
const EQUATION_O: Equation = equation("o", "σ(W_{xo}x_{t} + W_{ho}h_{t−1} + b_{o})", "output");
const EQUATION_N: Equation = equation("n", "f_{t} ⊙ n_{t−1} + i_{t}", "normalizer");
const EQUATION_C: Equation = equation("c", "f_{t} ⊙ c_{t−1} + i_{t} ⊙ z_{t}", "cell");
const EQUATION_H: Equation = equation("h", "o_{t} ⊙ c_{t} ⊘ n_{t}", "hidden");

/// The step once log f is there.
const STEP: [Op; 15] = [
    op("kept_log", "Add", &["log_f", "m_before"]),
    op("m", "Max", &["kept_log", "a.i"]),
    op("i_log", "Sub", &["a.i", "m"]),
    op("i", "Exp", &["i_log"]),
    op("f_log", "Sub", &["kept_log", "m"]),
    op("f", "Exp", &["f_log"]),
    op("z", "Tanh", &["a.z"]),
    op("o", "Sigmoid", &["a.o"]),
    op("kept", "Mul", &["f", "c_before"]),
    op("added", "Mul", &["i", "z"]),
    op("c", "Add", &["kept", "added"]),
    op("n_kept", "Mul", &["f", "n_before"]),
    op("n", "Add", &["n_kept", "i"]),
    op("shown", "Div", &["c", "n"]),
    op("h", "Mul", &["o", "shown"]),
];
const STEP_EXP: [Op; 16] = after([op("log_f", "Identity", &["a.f"])]);
/// log sigmoid(v) = -softplus(-v)
const STEP_SIGMOID: [Op; 18] = after([
    op("minus_f", "Neg", &["a.f"]),
    op("minus_log_f", "Softplus", &["minus_f"]),
    op("log_f", "Neg", &["minus_log_f"]),
]);

/// `first` with the common lines behind it.
const fn after<const A: usize, const B: usize>(first: [Op; A]) -> [Op; B] {
    assert!(A + STEP.len() == B);
    let mut lines = [STEP[0]; B];
    let mut k = 0;
    while k < B {
        lines[k] = if k < A { first[k] } else { STEP[k - A] };
        k += 1;
    }
    lines
}
