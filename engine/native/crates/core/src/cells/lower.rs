//! Cells that read the cell state of the layer below at the same step, besides its output.

use std::marker::PhantomData;

use super::{Cell, CellEntry, CellInfo, CellKernels, Feed, Layout, MAX_STATES, compiled};
use crate::kernels::KernelKind;

/// As the `state` of a weight of one number per unit: it looks at the cell state of the layer below.
pub const BELOW: usize = MAX_STATES;

/// The cell state c's place among the states of every cell that has one.
const C: usize = 1;

/// What such a cell has besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lower {
    /// The slot that holds the lower c before a step, and its derivative after a step back.
    pub slot: usize,
    /// A gate that only the input feeds: its slot, and the stems of its matrix and bias.
    pub gate: Feed,
    pub weight: &'static str,
    pub bias: &'static str,
    /// The cell that the lowest layer is.
    pub bottom: &'static str,
}

/// What keeps a cell from lying on the layer `below` (its cell and hidden size): the field of the layer's
/// configuration, and why.
pub fn lower_problem(
    cell: &dyn CellEntry,
    hidden: usize,
    (below, hidden_below): (&dyn CellEntry, usize),
) -> Option<(&'static str, String)> {
    cell.lower()?;
    let (name, name_below) = (cell.info().name, below.info().name);
    if below.info().states.get(C) != Some(&"c") {
        let why =
            format!("{name} adds the cell state of the layer below, and {name_below} has none; put an LSTM below it");
        return Some(("cell", why));
    }
    (hidden != hidden_below).then(|| {
        let why = format!("{name} adds the cell state of the layer below, so its hidden size must be the same: {hidden_below}, not {hidden}");
        ("hiddenSize", why)
    })
}

/// A cell with such an input.
pub trait ReadsLower: Cell {
    const LOWER: Lower;
}

pub(super) struct LowerEntry<C>(pub PhantomData<fn() -> C>);

impl<C: ReadsLower> CellEntry for LowerEntry<C> {
    fn info(&self) -> &'static CellInfo {
        &C::INFO
    }

    fn layout(&self) -> &'static Layout {
        &C::LAYOUT
    }

    fn lower(&self) -> Option<Lower> {
        Some(C::LOWER)
    }

    fn kernels_f32(&self, kind: KernelKind) -> CellKernels<f32> {
        compiled::<f32, C>(kind)
    }

    fn kernels_f64(&self, kind: KernelKind) -> CellKernels<f64> {
        compiled::<f64, C>(kind)
    }
}
