//! What a cell says of itself: for traces, files, the window and the exporter.

use serde::Serialize;

use super::further::Further;
use super::options::{CellOption, OptionValue, OptionValues};
use super::step::Op;

/// How a signal's values lie: a gate between 0 and 1, a value between -1 and 1, or one without bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SignalKind {
    Openness,
    Signed,
    Unbounded,
}

/// Where a signal is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A slot of the gate tensor.
    Slot(usize),
    /// A state after the step.
    State(usize),
    /// A slot's share of its sum with another.
    Share(usize, usize),
}

/// A gate or state that traces show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Signal {
    pub name: &'static str,
    pub kind: SignalKind,
    #[serde(skip)]
    pub source: Source,
}

/// A gate in a slot of the gate tensor.
pub(super) const fn gate(name: &'static str, slot: usize) -> Signal {
    Signal { name, kind: SignalKind::Openness, source: Source::Slot(slot) }
}

/// A candidate or sum of either sign in a slot.
pub(super) const fn signed(name: &'static str, slot: usize) -> Signal {
    Signal { name, kind: SignalKind::Signed, source: Source::Slot(slot) }
}

/// A value without bounds in a slot.
pub(super) const fn unbounded_slot(name: &'static str, slot: usize) -> Signal {
    Signal { name, kind: SignalKind::Unbounded, source: Source::Slot(slot) }
}

/// A state within -1 and 1, after the step.
pub(super) const fn state(name: &'static str, state: usize) -> Signal {
    Signal { name, kind: SignalKind::Signed, source: Source::State(state) }
}

/// A state without bounds, after the step.
pub(super) const fn unbounded(name: &'static str, state: usize) -> Signal {
    Signal { name, kind: SignalKind::Unbounded, source: Source::State(state) }
}

/// What a cell says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CellInfo {
    pub name: &'static str,
    /// Rows of a trace in the order they are drawn.
    pub signals: &'static [Signal],
    /// Further recorded values, which reference fixtures hold and traces leave out.
    #[serde(skip)]
    pub internals: &'static [Signal],
    /// Gates in the order of the stacked weight rows.
    pub gate_order: &'static [&'static str],
    /// Those of them that the recurrent product leaves out; they come last in `gate_order`.
    pub input_only: &'static [&'static str],
    /// States, h first.
    pub states: &'static [&'static str],
    /// The state that the recurrent product reads.
    pub recurrent_state: &'static str,
    /// States that are never below 0, as a given initial state must not be either.
    pub positive_states: &'static [&'static str],
    /// How its tensors are called in files.
    pub names: TensorNames,
    /// Weights of one number per unit (peepholes), by the stem of their names; `Layout::vectors` says what they do.
    pub vectors: &'static [&'static str],
    /// What it computes, one line per signal, as the window shows it: `_{…}` is a subscript.
    pub equations: &'static [Equation],
    /// Settings of the cell.
    pub options: &'static [CellOption],
    /// What this variant's options with words are.
    pub choice: &'static [(&'static str, &'static str)],
    /// The ONNX operator that holds the cell; none when it needs a Scan.
    pub onnx: Option<OnnxRecipe>,
    /// A time step in ONNX's operators.
    pub step: &'static [Op],
}

impl CellInfo {
    /// What few cells need, so that the others leave it out.
    pub(super) const BASE: Self = CellInfo {
        name: "",
        signals: &[],
        internals: &[],
        gate_order: &[],
        input_only: &[],
        states: &[],
        recurrent_state: "h",
        positive_states: &[],
        names: TensorNames::PLAIN,
        vectors: &[],
        equations: &[],
        options: &[],
        choice: &[],
        onnx: None,
        step: &[],
    };
}

/// `signal`_t = `right`, and the key of what that means in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Equation {
    pub signal: &'static str,
    pub right: &'static str,
    pub meaning: &'static str,
}

pub(super) const fn equation(signal: &'static str, right: &'static str, meaning: &'static str) -> Equation {
    Equation { signal, right, meaning }
}

/// Stems of a cell's tensor names, to which `_l0`, `_l0_reverse`, … is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TensorNames {
    pub input: &'static str,
    /// None where no product runs from step to step.
    pub recurrent: Option<&'static str>,
    pub bias: &'static str,
    /// Bias of the recurrent product where it has one of its own.
    pub recurrent_bias: Option<&'static str>,
}

impl TensorNames {
    /// PyTorch's, for the cells that it has.
    pub const TORCH: Self = TensorNames {
        input: "weight_ih",
        recurrent: Some("weight_hh"),
        bias: "bias_ih",
        recurrent_bias: Some("bias_hh"),
    };
    /// Those of the literature: a = W x + U h + b.
    pub const PLAIN: Self = TensorNames { input: "W", recurrent: Some("U"), bias: "b", recurrent_bias: None };
    /// a = W x + b.
    pub const INPUT_ONLY: Self = TensorNames { recurrent: None, ..Self::PLAIN };
}

/// What stands in the rows of one gate of an ONNX operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum OnnxRows {
    /// The rows of the cell's gate of that name.
    Gate(&'static str),
    /// The same with the other sign: since 1 - s(a) = s(-a), the operator's gate is one minus the cell's.
    Inverse(&'static str),
    /// No weights and a bias so large that the gate is 1.
    Open,
}

/// How an ONNX operator computes the cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OnnxRecipe {
    pub operator: &'static str,
    /// One entry per gate of the operator, in its order: LSTM i o f c, GRU z r h.
    pub rows: &'static [OnnxRows],
    /// The operator's `activations` of one direction; empty where its own are meant. `Affine` is meant as the identity.
    pub activations: &'static [&'static str],
    /// Integer attributes besides.
    pub attributes: &'static [(&'static str, i64)],
    /// `P`: the cell's vectors in the operator's order (i o f); empty without peepholes.
    pub peepholes: &'static [&'static str],
}

impl OnnxRecipe {
    /// An operator as it is.
    pub(super) const fn plain(operator: &'static str, rows: &'static [OnnxRows]) -> Self {
        OnnxRecipe { operator, rows, activations: &[], attributes: &[], peepholes: &[] }
    }
}

impl CellInfo {
    /// Stems and shapes of the tensors of one direction of one layer, in the order of their storage; `output_size` is
    /// that of h.
    pub fn tensors(
        &self,
        input_size: usize,
        hidden_size: usize,
        output_size: usize,
    ) -> Vec<(&'static str, Vec<usize>)> {
        let rows = self.gate_order.len() * hidden_size;
        let fed_rows = rows - self.input_only.len() * hidden_size;
        let names = self.names;
        let mut tensors = vec![(names.input, vec![rows, input_size])];
        tensors.extend(names.recurrent.map(|name| (name, vec![fed_rows, output_size])));
        tensors.push((names.bias, vec![rows]));
        tensors.extend(names.recurrent_bias.map(|name| (name, vec![fed_rows])));
        tensors.extend(self.vectors.iter().map(|&name| (name, vec![hidden_size])));
        tensors
    }

    /// True when its step looks at the number of the time step.
    pub fn counts_steps(&self) -> bool {
        self.step.iter().any(|op| op.inputs.contains(&"t"))
    }

    /// The options that choose this variant.
    pub fn chosen(&self) -> OptionValues {
        let word = |&(name, value): &(&str, &str)| (name.to_string(), OptionValue::Word(value.to_string()));
        self.choice.iter().map(word).collect()
    }
}

/// A cell as other languages read it: its usual form, and all forms that its options give it (none without options).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CellDescription {
    #[serde(flatten)]
    pub info: &'static CellInfo,
    pub variants: Vec<&'static CellInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub further: Option<Further>,
}
