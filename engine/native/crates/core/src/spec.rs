//! What a model is made of, what goes into it and what an update is: plain data, no numerics.

use serde::{Deserialize, Serialize};

use crate::cells::{CellEntry, OptionValues, Second};
use crate::loss::ValueLoss;

/// The shape of a whole model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelSpec {
    pub input: InputSpec,
    pub layers: Vec<LayerSpec>,
    pub head: HeadSpec,
    #[serde(default)]
    pub options: ModelOptions,
}

/// What concerns the whole model and is off by default.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ModelOptions {
    pub attention: AttentionKind,
    pub initialization: Initialization,
    /// The head's matrix is the embedding's (Press & Wolf 2017; Inan et al. 2017).
    pub tie_weights: bool,
    pub initial_state: InitialState,
    /// Share of the vocabulary whose embeddings are zero in an update (Gal & Ghahramani 2016).
    pub embedding_dropout: f32,
    /// What a difference costs where the targets are values.
    pub loss: ValueLoss,
}

/// How the operands of products, or stored weights, are rounded; sums are in float32 either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NumberFormat {
    #[default]
    Float32,
    Bfloat16,
}

/// How a query is compared with the states of the last recurrent layer (`layers/attention.rs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttentionKind {
    #[default]
    None,
    Additive,
    Dot,
    General,
    Concat,
    ScaledDot,
}

impl AttentionKind {
    /// Scores come from a vector and a tanh.
    pub fn has_vector(self) -> bool {
        matches!(self, AttentionKind::Additive | AttentionKind::Concat)
    }

    /// Names and shapes of its tensors where queries and keys have `size` numbers.
    pub fn tensors(self, size: usize) -> Vec<(&'static str, Vec<usize>)> {
        let square = |name| (name, vec![size, size]);
        let mut tensors = match self {
            AttentionKind::None => return Vec::new(),
            AttentionKind::Additive => vec![square("W_s"), square("W_h")],
            AttentionKind::Concat => vec![("W_a", vec![size, 2 * size])],
            AttentionKind::General => vec![square("W_a")],
            AttentionKind::Dot | AttentionKind::ScaledDot => vec![],
        };
        if self.has_vector() {
            tensors.push(("v", vec![size]));
        }
        tensors.push(("W_c", vec![size, 2 * size]));
        tensors
    }
}

/// How the weights begin.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Initialization {
    pub weights: InitialWeights,
    /// Bias of the gate that keeps the memory; none = as the other biases.
    pub forget_bias: Option<f64>,
    /// Longest dependency in steps that gates are to bridge at the start (Tallec & Ollivier 2018).
    pub chrono: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InitialWeights {
    /// Uniform within 1/sqrt(H) in recurrent layers and within 1/sqrt(fan-in) in the head, as `torch.nn` draws them.
    #[default]
    Pytorch,
    /// Input matrices uniform within sqrt(6 / (fan-in + fan-out)), recurrent ones orthogonal, biases 0.
    GlorotOrthogonal,
}

/// Where a sequence's states begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InitialState {
    #[default]
    Zero,
    /// A trained vector per layer, direction and state.
    Learned,
}

/// Where the first layer's input comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum InputSpec {
    Tokens { vocabulary_size: usize, embedding_size: usize },
    Series { input_size: usize },
}

impl InputSpec {
    /// Number of features the first recurrent layer reads.
    pub fn width(&self) -> usize {
        match *self {
            InputSpec::Tokens { embedding_size, .. } => embedding_size,
            InputSpec::Series { input_size } => input_size,
        }
    }
}

/// One recurrent layer: its output is `x + dropout(norm(h))`, of which only h is always there.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerSpec {
    /// Name in the registry of cells.
    pub cell: String,
    /// The cell's own settings; missing ones are as usual.
    #[serde(default)]
    pub options: OptionValues,
    pub hidden_size: usize,
    #[serde(default)]
    pub bidirectional: bool,
    /// Share of this layer's outputs set to zero in training; without effect after the last layer.
    #[serde(default)]
    pub dropout: f32,
    /// Size of h of a cell that projects it; half the hidden size, rounded up, where none is given. Other cells have none.
    #[serde(default)]
    pub projection_size: Option<usize>,
    /// One mask for all steps of a sequence (Gal & Ghahramani 2016) instead of one per step.
    #[serde(default)]
    pub variational: bool,
    /// The layer's input is added to its output.
    #[serde(default)]
    pub residual: bool,
    /// The output is normalised over its units (Ba, Kiros & Hinton 2016), with a gain and a bias.
    #[serde(default)]
    pub layer_norm: bool,
    /// Share of the recurrent weights set to zero in an update (DropConnect; Merity et al. 2018).
    #[serde(default)]
    pub weight_drop: f32,
    /// Share of the units that keep their h, and their other states, from the step before (Krueger et al. 2017).
    #[serde(default)]
    pub zoneout_hidden: f32,
    #[serde(default)]
    pub zoneout_cell: f32,
}

impl LayerSpec {
    /// Size of h with that cell, in each direction.
    pub fn output_size(&self, cell: &dyn CellEntry) -> usize {
        match cell.second() {
            Some(Second::Projection(_)) => self.projection_size.unwrap_or(self.hidden_size.div_ceil(2)),
            _ => self.hidden_size,
        }
    }

    /// What is wrong with the projection size of a cell that has one.
    pub fn projection_problem(&self, cell: &dyn CellEntry) -> Option<String> {
        let size = self.output_size(cell);
        let wrong = size == 0 || size > self.hidden_size;
        wrong.then(|| {
            format!("the projection size must lie between 1 and the hidden size {}, not at {size}", self.hidden_size)
        })
    }

    pub fn directions(&self) -> usize {
        if self.bidirectional { 2 } else { 1 }
    }
}

/// The linear head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeadSpec {
    pub output_size: usize,
    pub mode: HeadMode,
}

/// Which states the head reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HeadMode {
    /// Every time step.
    EveryStep,
    /// The last valid step; of a bidirectional layer the forward state at the last step and the reverse state at the first.
    LastStep,
}

/// The input values of a batch, time-major: row `t * batch + b`.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a, E> {
    /// `[T*B]`
    Tokens(&'a [u32]),
    /// `[T*B*I]`
    Series(&'a [E]),
}

/// One batch of sequences.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a, E> {
    pub time: usize,
    pub batch: usize,
    pub input: Input<'a, E>,
    /// Valid steps of each sequence, `[B]`, each in `1..=time`; `None` when all are `time` long. What stands in the
    /// padding does not matter, but it must be finite.
    pub lengths: Option<&'a [usize]>,
}

/// A token target that takes no part in the loss.
pub const IGNORED: u32 = u32::MAX;

/// What the outputs are compared with.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a, E> {
    /// Softmax cross-entropy; `[T*B]` with `EveryStep`, `[B]` with `LastStep`; `IGNORED` entries do not count.
    Tokens(&'a [u32]),
    /// Values, compared by the model's `ModelOptions::loss`; `[T*B*out]` with `EveryStep`, `[B*out]` with `LastStep`; NaN entries do not count.
    Values(&'a [E]),
    /// Sigmoid cross-entropy of every output, each 0 or 1; shapes as of `Values`. The loss is summed over the outputs of
    /// a row and its mean taken over the rows: nats per time step, as the music models of the literature are measured.
    Bits(&'a [E]),
}

/// The rule that turns gradients into new weights (the forms of `torch.optim`).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Optimizer {
    /// Weight decay is added to the gradient (L2).
    Sgd { momentum: f64, nesterov: bool, weight_decay: f64 },
    /// Weight decay is added to the gradient (L2).
    Adam { beta1: f64, beta2: f64, eps: f64, weight_decay: f64 },
    /// Weight decay shrinks the weights directly.
    AdamW { beta1: f64, beta2: f64, eps: f64, weight_decay: f64 },
    /// Adam that looks ahead (Dozat 2016). Weight decay is added to the gradient (L2).
    NAdam { beta1: f64, beta2: f64, eps: f64, weight_decay: f64 },
    /// Weight decay is added to the gradient (L2).
    RmsProp { alpha: f64, eps: f64, momentum: f64, weight_decay: f64 },
    /// Weight decay is added to the gradient (L2).
    Adagrad { eps: f64, weight_decay: f64 },
    /// Only the sign of a mean of the gradients counts (Chen et al. 2023); weight decay shrinks the weights directly.
    Lion { beta1: f64, beta2: f64, weight_decay: f64 },
}

/// Everything an update needs besides the gradients.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Update {
    pub optimizer: Optimizer,
    pub learning_rate: f64,
    /// Largest global L2 norm of all gradients; they are scaled by `min(1, clip_norm / (norm + 1e-6))`.
    pub clip_norm: Option<f64>,
    /// Seed of the dropout masks.
    pub seed: u64,
}

/// What one training step did.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepOutcome {
    /// Mean over the valid targets.
    pub loss: f64,
    /// Global L2 norm before clipping.
    pub grad_norm: f64,
    /// Set when the loss or the gradient norm is not finite; the weights were left as they were.
    pub non_finite: Option<NonFinite>,
}

/// Where a value that is not finite was first met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NonFinite {
    /// `input`, `l0`, `l0_reverse`, …, `head`, `loss` or `gradient`.
    pub layer: String,
    /// Gate, state or tensor name.
    pub tensor: String,
    pub time_step: Option<usize>,
    pub row: Option<usize>,
    pub unit: Option<usize>,
}

/// A loss that is not yet divided: `sum / count` is the mean over the valid targets.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LossSum {
    pub sum: f64,
    pub count: usize,
}

impl LossSum {
    /// Mean over the valid targets; 0 when there is none.
    pub fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum / self.count as f64 }
    }
}

/// A tensor under its name in files (PyTorch's where PyTorch has the module), row-major, unpadded.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedTensor<E> {
    pub name: String,
    pub shape: Vec<usize>,
    pub data: Vec<E>,
}

/// Recurrent states of all layers and directions, each `[B, H]` row-major, under `h0_l0`, `c0_l0`, `h0_l0_reverse`, ….
#[derive(Debug, Clone, PartialEq)]
pub struct States<E> {
    pub batch: usize,
    /// Time steps behind these states since their sequences began: cells that count time steps go on from there. The
    /// sequences of a batch are read side by side and have one clock.
    pub steps: usize,
    pub entries: Vec<StateEntry<E>>,
}

/// One state of one layer and direction.
#[derive(Debug, Clone, PartialEq)]
pub struct StateEntry<E> {
    pub name: String,
    pub hidden_size: usize,
    /// `[B, H]`
    pub data: Vec<E>,
    /// `[B]`: the sequence begins here, so that a learned initial state stands in for the row's data.
    pub begins: Vec<bool>,
}

impl<E: Copy> StateEntry<E> {
    /// Sets all rows: they are then where a sequence goes on, and no learned state stands in for them.
    pub fn give(&mut self, data: &[E]) {
        self.data.copy_from_slice(data);
        self.begins.fill(false);
    }
}

impl<E: Copy + Default> States<E> {
    pub fn get(&self, name: &str) -> Option<&[E]> {
        self.entries.iter().find(|e| e.name == name).map(|e| e.data.as_slice())
    }

    /// The rows of a state to be set, none of which begins a sequence any more.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut [E]> {
        self.entries.iter_mut().find(|e| e.name == name).map(|e| {
            e.begins.fill(false);
            e.data.as_mut_slice()
        })
    }

    /// Sets every state back to where sequences begin: zero, or what the model has learned, at time step 0.
    pub fn clear(&mut self) {
        self.steps = 0;
        for entry in &mut self.entries {
            entry.data.fill(E::default());
            entry.begins.fill(true);
        }
    }

    /// The same for one stream, whose clock stays that of the others.
    pub fn clear_row(&mut self, row: usize) {
        for entry in &mut self.entries {
            let width = entry.hidden_size;
            entry.data[row * width..(row + 1) * width].fill(E::default());
            entry.begins[row] = true;
        }
    }
}

/// Values recorded over a sequence, each `[B, T, H]`, under `l0.i`, `l0_reverse.h`, …; 0 at padded steps.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Taps<E> {
    pub entries: Vec<Tap<E>>,
}

/// One recorded gate or state.
#[derive(Debug, Clone, PartialEq)]
pub struct Tap<E> {
    /// For example `l0.i`.
    pub name: String,
    /// `[B, T, H]`
    pub shape: [usize; 3],
    pub data: Vec<E>,
}

impl<E> Taps<E> {
    pub fn new() -> Self {
        Taps { entries: Vec::new() }
    }

    pub fn get(&self, name: &str) -> Option<&Tap<E>> {
        self.entries.iter().find(|tap| tap.name == name)
    }
}

/// What a backward pass with recording gives besides the parameters' gradients.
#[derive(Debug, Clone, PartialEq)]
pub struct Traced<E> {
    /// Mean over the valid targets.
    pub loss: f64,
    /// Outputs, `[T*B*out]` or `[B*out]`.
    pub outputs: Vec<E>,
    /// Gates and states over the sequence.
    pub taps: Taps<E>,
    /// dL/d(state) at every step, under `l0.h`, `l0.c`, …
    pub gradients: Taps<E>,
    /// dL/d(initial state)
    pub initial: States<E>,
    /// dL/d(series), `[T*B*I]`; empty for tokens.
    pub input: Vec<E>,
}
