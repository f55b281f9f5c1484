//! The registry of cells. A cell is one file with its equations forward and backward and one line in `CELLS`;
//! nothing else enumerates cells.

mod blend;
mod clockwork;
mod dglstm;
mod further;
mod gru;
mod gru_reset_before;
mod info;
mod lower;
mod lstm;
mod lstm_coupled;
mod lstm_layernorm;
mod lstm_no_forget;
mod lstm_peephole;
mod lstm_peephole_cell_input;
mod lstm_projection;
mod memory;
mod mgu;
mod mingru;
mod minlstm;
pub mod normalised;
mod options;
mod phase;
mod rnn_relu;
mod rnn_tanh;
mod scan;
mod slstm;
mod step;

use std::marker::PhantomData;

use crate::element::Element;
use crate::error::EngineError;
use crate::kernels::KernelKind;
use crate::kernels::recurrent::{Backward, BackwardStep, Derivatives, Forward, ForwardStep, Recorded};
use crate::simd::{Avx2, Avx512, Isa, Lanes, Neon, Portable};

pub use further::{Extent, Further, FurtherTensor};
pub use info::{CellDescription, CellInfo, Equation, OnnxRecipe, OnnxRows, Signal, SignalKind, Source, TensorNames};
use info::{equation, gate, signed, state, unbounded, unbounded_slot};
use lower::LowerEntry;
pub use lower::{BELOW, Lower, lower_problem};
pub use memory::Memory;
use normalised::{NormalisedEntry, NormalisedNames};
pub use options::{CellOption, Chosen, OptionValue, OptionValues, choose_cell};
pub use phase::{Back, Phase, Second, SecondKernels};
use phase::{ProjectedEntry, TwoPhaseEntry};
pub use scan::{ScanCell, ScanKernels};
pub use step::Op;
use step::op;

/// Limits of the fixed-size arrays that equations work on.
pub const MAX_SLOTS: usize = 6;
pub const MAX_STATES: usize = 4;
pub const MAX_SAVED: usize = 1;
pub const MAX_VECTORS: usize = 5;

/// All cells.
static CELLS: &[&dyn CellEntry] = &[
    &Entry::<rnn_tanh::RnnTanh>(PhantomData),
    &Entry::<rnn_relu::RnnRelu>(PhantomData),
    &Entry::<lstm::Lstm<{ lstm::WHOLE }>>(PhantomData),
    &Entry::<lstm_peephole::LstmPeephole>(PhantomData),
    &Entry::<lstm_peephole_cell_input::LstmPeepholeCellInput<{ lstm_peephole_cell_input::IDENTITY }>>(PhantomData),
    &Entry::<lstm_coupled::LstmCoupled>(PhantomData),
    &Entry::<lstm_no_forget::LstmNoForget>(PhantomData),
    &NormalisedEntry::<lstm_layernorm::LstmLayerNorm>(PhantomData),
    &ProjectedEntry::<lstm_projection::LstmProjection>(PhantomData),
    &Entry::<slstm::SLstm<{ slstm::SIGMOID }>>(PhantomData),
    &Entry::<gru::Gru>(PhantomData),
    &scan::ScanEntry::<mingru::MinGru<false>>(PhantomData),
    &scan::ScanEntry::<minlstm::MinLstm<false>>(PhantomData),
    &TwoPhaseEntry::<gru_reset_before::GruResetBefore>(PhantomData),
    &TwoPhaseEntry::<mgu::Mgu>(PhantomData),
    &LowerEntry::<dglstm::DgLstm>(PhantomData),
    &Entry::<clockwork::Clockwork>(PhantomData),
];

/// Which consecutive slots of the gate tensor a product adds to, and the gate of the stacked weights for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feed {
    pub first: usize,
    /// Index into `CellInfo::gate_order` for slot `first`, `first + 1`, …
    pub gates: &'static [usize],
}

impl Feed {
    #[inline(always)]
    pub const fn has(&self, slot: usize) -> bool {
        slot >= self.first && slot < self.first + self.gates.len()
    }
}

/// How a cell's numbers lie in the gate tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Vectors per unit panel and row.
    pub slots: usize,
    pub input: Feed,
    pub recurrent: Feed,
    /// Number of states; h is the first.
    pub states: usize,
    /// Index of the state that the recurrent product reads.
    pub reads: usize,
    /// Further vectors kept for the backward pass.
    pub saved: usize,
    /// What the cell's weights of one number per unit stand for, in the order of `CellInfo::vectors`.
    pub vectors: &'static [Peephole],
    /// Units compute only when the period of their module divides the time step: `vectors` then ends with 1 or 0 for
    /// each unit, the recurrent weights are block upper triangular, and the first list among the options has the periods.
    pub clocked: bool,
}

impl Layout {
    /// Of a cell that is scanned: h is its only state, and only the input feeds it.
    pub const fn scanned(slots: usize, input: Feed) -> Self {
        Layout { slots, input, ..Self::BASE }
    }

    /// Vectors of one number per unit that a step reads.
    #[inline(always)]
    pub const fn unit_vectors(&self) -> usize {
        self.vectors.len() + self.clocked as usize
    }

    /// What most cells have.
    const BASE: Self = Layout {
        slots: 0,
        input: Feed { first: 0, gates: &[] },
        recurrent: Feed { first: 0, gates: &[] },
        states: 1,
        reads: 0,
        saved: 0,
        vectors: &[],
        clocked: false,
    };
}

/// A weight per unit that adds `weight * state` to a slot's sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peephole {
    pub slot: usize,
    pub state: usize,
    /// True when it looks at the state after the step.
    pub after: bool,
}

/// The equations of a cell on vectors of 16 units.
pub trait Cell: Send + Sync + 'static {
    const INFO: CellInfo;
    const LAYOUT: Layout;
    /// The forms that a cell with options can take, each a type of its own, this one included.
    const VARIANTS: &'static [&'static dyn CellEntry] = &[];

    /// `gates` holds the sums of each slot and becomes the activations; `states` holds the states before the step and
    /// becomes those after it; `saved` takes what `backward` needs besides; `vectors` are the weights per unit.
    fn forward<E: Element, V: Lanes<E>>(
        gates: &mut [V; MAX_SLOTS],
        states: &mut [V; MAX_STATES],
        saved: &mut [V; MAX_SAVED],
        vectors: &[V; MAX_VECTORS],
    );

    /// Derivatives from those that reach the states of this step: h's is complete, the others' come from later steps.
    fn backward<E: Element, V: Lanes<E>>(recorded: &Recorded<V>, reaching: &[V; MAX_STATES]) -> Derivatives<V>;
}

/// The first slots' values; the rest are not stored.
#[inline(always)]
fn slots<E: Element, V: Lanes<E>, const N: usize>(values: [V; N]) -> [V; MAX_SLOTS] {
    let mut all = [V::splat(E::ZERO); MAX_SLOTS];
    all[..N].copy_from_slice(&values);
    all
}

/// Derivative of the logistic function where it has the value `gate`.
#[inline(always)]
fn gate_slope<E: Element, V: Lanes<E>>(gate: V) -> V {
    gate.mul(V::splat(E::ONE).sub(gate))
}

/// Derivative of tanh where it has the value `value`.
#[inline(always)]
fn tanh_slope<E: Element, V: Lanes<E>>(value: V) -> V {
    V::splat(E::ONE).sub(value.mul(value))
}

/// The compiled equations of a cell.
#[derive(Clone, Copy)]
pub enum CellKernels<E> {
    /// Step by step, with a recurrent product in each.
    Steps(StepKernels<E>),
    /// All steps at once, then a scan.
    Scan(ScanKernels<E>),
}

impl<E> CellKernels<E> {
    /// Those of a step; only of a cell that is computed step by step.
    pub fn steps(&self) -> &StepKernels<E> {
        match self {
            CellKernels::Steps(steps) => steps,
            CellKernels::Scan(_) => unreachable!("no step is run of a cell that is scanned"),
        }
    }

    pub fn is_scanned(&self) -> bool {
        matches!(self, CellKernels::Scan(_))
    }
}

/// The compiled steps of a cell.
#[derive(Clone, Copy)]
pub struct StepKernels<E> {
    pub forward: unsafe fn(ForwardStep<E>),
    pub backward: unsafe fn(BackwardStep<E>),
    /// The phase behind a second product.
    pub second: Option<SecondKernels<E>>,
}

/// A line of the registry.
pub trait CellEntry: Sync {
    fn info(&self) -> &'static CellInfo;
    fn layout(&self) -> &'static Layout;
    /// The further product inside a step, for the cells that have one.
    fn second(&self) -> Option<Second> {
        None
    }
    /// What the cell reads of the layer below besides its output, for the cells that do.
    fn lower(&self) -> Option<Lower> {
        None
    }
    /// The names of the normalisations' gains and biases, for the cells that have them.
    fn normalised(&self) -> Option<NormalisedNames> {
        None
    }
    /// The forms of a cell with options; empty for one without.
    fn variants(&self) -> &'static [&'static dyn CellEntry] {
        &[]
    }
    fn kernels_f32(&self, kind: KernelKind) -> CellKernels<f32>;
    fn kernels_f64(&self, kind: KernelKind) -> CellKernels<f64>;
}

struct Entry<C>(PhantomData<fn() -> C>);

impl<C: Cell> CellEntry for Entry<C> {
    fn info(&self) -> &'static CellInfo {
        &C::INFO
    }

    fn layout(&self) -> &'static Layout {
        &C::LAYOUT
    }

    fn variants(&self) -> &'static [&'static dyn CellEntry] {
        C::VARIANTS
    }

    fn kernels_f32(&self, kind: KernelKind) -> CellKernels<f32> {
        compiled::<f32, C>(kind)
    }

    fn kernels_f64(&self, kind: KernelKind) -> CellKernels<f64> {
        compiled::<f64, C>(kind)
    }
}

fn compiled<E: Element, C: Phase>(kind: KernelKind) -> CellKernels<E> {
    CellKernels::Steps(compiled_steps::<E, C>(kind))
}

fn compiled_steps<E: Element, C: Phase>(kind: KernelKind) -> StepKernels<E> {
    let (forward, backward): (unsafe fn(ForwardStep<E>), unsafe fn(BackwardStep<E>)) = match kind {
        KernelKind::Avx512 => (forward::<E, C, Avx512>, backward::<E, C, Avx512>),
        KernelKind::Avx2 => (forward::<E, C, Avx2>, backward::<E, C, Avx2>),
        KernelKind::Neon => (forward::<E, C, Neon>, backward::<E, C, Neon>),
        KernelKind::Portable => (forward::<E, C, Portable>, backward::<E, C, Portable>),
    };
    StepKernels { forward, backward, second: None }
}

/// # Safety
/// As `ForwardStep` describes its pointers, and the processor must have I's instructions.
unsafe fn forward<E: Element, C: Phase, I: Isa<E>>(step: ForwardStep<E>) {
    unsafe { I::call(Forward::<E, C>(step, PhantomData)) }
}

/// # Safety
/// As `BackwardStep` describes its pointers, and the processor must have I's instructions.
unsafe fn backward<E: Element, C: Phase, I: Isa<E>>(step: BackwardStep<E>) {
    unsafe { I::call(Backward::<E, C>(step, PhantomData)) }
}

/// Every cell's description, in the order of the registry.
pub fn cells() -> Vec<&'static CellInfo> {
    CELLS.iter().map(|cell| cell.info()).collect()
}

/// The name of a layer's cell: of the lowest one, what the named cell is without a layer below it.
pub fn name_in_layer(name: &str, index: usize) -> &str {
    let lower = CELLS.iter().find(|cell| cell.info().name == name).and_then(|cell| cell.lower());
    lower.filter(|_| index == 0).map_or(name, |lower| lower.bottom)
}

/// Every cell with its variants, for the other side of the binding.
pub fn describe_cells() -> Vec<CellDescription> {
    let infos = |cell: &&dyn CellEntry| cell.variants().iter().map(|variant| variant.info()).collect();
    let further = |cell| Some(Further::of(cell)).filter(|further| *further != Further::default());
    let describe = |cell: &&'static dyn CellEntry| CellDescription {
        info: cell.info(),
        variants: infos(cell),
        further: further(*cell),
    };
    CELLS.iter().map(describe).collect()
}

/// Every form of every cell.
pub fn all_variants() -> Vec<&'static CellInfo> {
    CELLS.iter().flat_map(|cell| variants(cell.info().name)).collect()
}

/// The forms of the cell of that name: one for a cell without options.
pub fn variants(name: &str) -> impl Iterator<Item = &'static CellInfo> {
    let cell = CELLS.iter().copied().find(|cell| cell.info().name == name);
    let (single, several) = match cell {
        Some(cell) if cell.variants().is_empty() => (Some(cell), &[] as &[&dyn CellEntry]),
        Some(cell) => (None, cell.variants()),
        None => (None, &[] as &[&dyn CellEntry]),
    };
    single.into_iter().chain(several.iter().copied()).map(CellEntry::info)
}

/// The registry's entry of that name; the error names the known ones.
pub fn find_cell(name: &str) -> Result<&'static dyn CellEntry, EngineError> {
    CELLS.iter().copied().find(|cell| cell.info().name == name).ok_or_else(|| {
        let known: Vec<_> = CELLS.iter().map(|cell| cell.info().name).collect();
        EngineError::new("CELL_UNKNOWN", format!("There is no cell \"{name}\"; known cells: {}.", known.join(", ")))
    })
}
