//! What a cell has besides the tensors of `CellInfo::tensors`: for descriptions of models and for the other side of the
//! binding.

use serde::Serialize;

use super::{CellEntry, Second};

/// A size of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Extent {
    /// Of what the layer reads.
    Input,
    /// Of its units.
    Hidden,
    /// All gates of all units, gate by gate.
    Gates,
    /// Of h.
    Output,
}

/// A further tensor by the stem of its name; without columns a vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FurtherTensor {
    pub name: &'static str,
    pub rows: Extent,
    pub columns: Option<Extent>,
}

/// What few cells have; the default for the others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Further {
    pub tensors: Vec<FurtherTensor>,
    /// h has a size of its own, the layer's projection size.
    pub projected: bool,
    /// The cell that the lowest layer is, for one that reads the cell state of the layer below.
    pub bottom: Option<&'static str>,
}

impl Further {
    pub fn of(cell: &dyn CellEntry) -> Self {
        let vector = |name, rows| FurtherTensor { name, rows, columns: None };
        let mut tensors = Vec::new();
        if let Some(Second::Projection(name)) = cell.second() {
            tensors.push(FurtherTensor { name, rows: Extent::Output, columns: Some(Extent::Hidden) });
        }
        if let Some(names) = cell.normalised() {
            tensors.extend([names.input, names.recurrent].concat().into_iter().map(|name| vector(name, Extent::Gates)));
            tensors.extend(names.cell.map(|name| vector(name, Extent::Hidden)));
        }
        if let Some(lower) = cell.lower() {
            tensors.push(FurtherTensor { name: lower.weight, rows: Extent::Hidden, columns: Some(Extent::Input) });
            tensors.push(vector(lower.bias, Extent::Hidden));
        }
        let projected = matches!(cell.second(), Some(Second::Projection(_)));
        Further { tensors, projected, bottom: cell.lower().map(|lower| lower.bottom) }
    }
}
