//! Weights, gradients and moments: one flat array each, in the packed form that the kernels read.
//!
//! Files and users see PyTorch's names and row-major layouts; `Tensor::place` says where each number lies inside.
//! Padding (hidden sizes rounded up to 16) is zero, has zero gradients and so stays zero.

use crate::element::Element;
use crate::error::EngineError;
use crate::simd::LANES;
use crate::spec::NamedTensor;

/// Units or outputs per column chunk of a packed product.
pub const CHUNK_COLUMNS: usize = 4 * LANES;

/// Rounds up to whole vectors.
pub fn padded(size: usize) -> usize {
    size.next_multiple_of(LANES)
}

/// Inner index of a matrix: input columns come in parts (one per direction below), each padded by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inner {
    pub part: usize,
    pub part_padded: usize,
    pub parts: usize,
}

impl Inner {
    /// One part without padding.
    pub fn plain(size: usize) -> Self {
        Inner { part: size, part_padded: size, parts: 1 }
    }

    pub fn panels(size: usize, parts: usize) -> Self {
        Inner { part: size, part_padded: padded(size), parts }
    }

    pub fn size(self) -> usize {
        self.part * self.parts
    }

    pub fn padded(self) -> usize {
        self.part_padded * self.parts
    }

    fn place(self, column: usize) -> usize {
        column / self.part * self.part_padded + column % self.part
    }

    /// Places of the columns, part by part, without the padding.
    pub fn columns(self) -> impl Iterator<Item = std::ops::Range<usize>> {
        (0..self.parts).map(move |part| part * self.part_padded..part * self.part_padded + self.part)
    }

    /// False in the padding.
    pub fn is_column(self, place: usize) -> bool {
        place % self.part_padded < self.part
    }

    /// Where the same columns lie here and in `other`, as `(here, there, count)`; both have as many.
    pub fn shared_runs(self, other: Inner) -> Vec<(usize, usize, usize)> {
        let mut runs = Vec::new();
        let mut column = 0;
        while column < self.size() {
            let count = (self.part - column % self.part).min(other.part - column % other.part);
            runs.push((self.place(column), other.place(column), count));
            column += count;
        }
        runs
    }
}

/// How a tensor is packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packing {
    /// `[gates * H, inner]` as `[unit panel][inner][slot][16]`; `slots[v]` is the gate of slot v.
    Gates { hidden: usize, slots: &'static [usize], inner: Inner },
    /// `[gates * H, inner]` as two such matrices one after the other, for products at two places of a step.
    SplitGates { hidden: usize, first: &'static [usize], second: &'static [usize], inner: Inner },
    /// `[gates * H]` as `[unit panel][slot][16]`
    GateBias { hidden: usize, slots: &'static [usize] },
    /// `[out, inner]` as `[chunk of 64 outputs][inner][outputs of the chunk]`, the last chunk as narrow as it can be.
    Columns { outputs: usize, inner: Inner },
    /// The same with the inner size of one input, or of two side by side; the outputs too may come in padded parts.
    Joined { outputs: Inner, first: Inner, second: Option<Inner> },
    /// `[rows, columns]` with padded columns.
    Rows { rows: usize, columns: usize },
    /// `[size]`
    Vector { size: usize },
    /// `[inner]`, placed as the columns of a row.
    Parts { inner: Inner },
}

/// A size of one input, or of two together.
fn joined(first: Inner, second: Option<Inner>, size: fn(Inner) -> usize) -> usize {
    size(first) + second.map_or(0, size)
}

/// One parameter tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    pub name: String,
    pub shape: Vec<usize>,
    pub packing: Packing,
    /// The value all of it starts with, where it isn't drawn.
    pub start: Option<f64>,
    /// Equal blocks of a block upper triangular matrix, 1 for any other: what lies below the diagonal does not exist, is
    /// stored as 0 and never changes.
    pub blocks: usize,
    /// Where it begins in the flat arrays, and how much of them it takes.
    pub offset: usize,
    pub length: usize,
}

impl Packing {
    fn length(&self) -> usize {
        match self {
            Packing::Gates { hidden, slots, inner } => padded(*hidden) * slots.len() * inner.padded(),
            Packing::SplitGates { hidden, first, second, inner } => {
                padded(*hidden) * (first.len() + second.len()) * inner.padded()
            }
            Packing::GateBias { hidden, slots } => padded(*hidden) * slots.len(),
            Packing::Columns { outputs, inner } => padded(*outputs) * inner.padded(),
            Packing::Joined { outputs, first, second } => outputs.padded() * joined(*first, *second, Inner::padded),
            Packing::Rows { rows, columns } => rows * padded(*columns),
            Packing::Vector { size } => padded(*size),
            Packing::Parts { inner } => inner.padded(),
        }
    }

    fn shape(&self) -> Vec<usize> {
        match self {
            Packing::Gates { hidden, slots, inner } => vec![slots.len() * hidden, inner.size()],
            Packing::SplitGates { hidden, first, second, inner } => {
                vec![(first.len() + second.len()) * hidden, inner.size()]
            }
            Packing::GateBias { hidden, slots } => vec![slots.len() * hidden],
            Packing::Columns { outputs, inner } => vec![*outputs, inner.size()],
            Packing::Joined { outputs, first, second } => vec![outputs.size(), joined(*first, *second, Inner::size)],
            Packing::Rows { rows, columns } => vec![*rows, *columns],
            Packing::Vector { size } => vec![*size],
            Packing::Parts { inner } => vec![inner.size()],
        }
    }

    /// Place of the row-major element (row, column) from the tensor's beginning.
    pub(crate) fn place(&self, row: usize, column: usize) -> usize {
        let slot_of =
            |slots: &[usize], gate: usize| slots.iter().position(|&g| g == gate).expect("every gate has a slot");
        match self {
            Packing::Gates { hidden, slots, inner } => {
                let (unit, slot) = (row % hidden, slot_of(slots, row / hidden));
                let line = slots.len() * LANES;
                (unit / LANES * inner.padded() + inner.place(column)) * line + slot * LANES + unit % LANES
            }
            Packing::SplitGates { hidden, first, second, inner } => {
                let part = |slots| Packing::Gates { hidden: *hidden, slots, inner: *inner };
                if first.contains(&(row / hidden)) {
                    part(first).place(row, column)
                } else {
                    part(first).length() + part(second).place(row, column)
                }
            }
            Packing::GateBias { hidden, slots } => {
                let (unit, slot) = (row % hidden, slot_of(slots, row / hidden));
                (unit / LANES * slots.len() + slot) * LANES + unit % LANES
            }
            Packing::Columns { outputs, inner } => {
                let chunk = row / CHUNK_COLUMNS;
                let width = (padded(*outputs) - chunk * CHUNK_COLUMNS).min(CHUNK_COLUMNS);
                chunk * CHUNK_COLUMNS * inner.padded() + inner.place(column) * width + row % CHUNK_COLUMNS
            }
            Packing::Joined { outputs, first, second } => {
                let row = outputs.place(row);
                let chunk = row / CHUNK_COLUMNS;
                let width = (outputs.padded() - chunk * CHUNK_COLUMNS).min(CHUNK_COLUMNS);
                let inner = match second {
                    Some(second) if column >= first.size() => first.padded() + second.place(column - first.size()),
                    _ => first.place(column),
                };
                let all = joined(*first, *second, Inner::padded);
                chunk * CHUNK_COLUMNS * all + inner * width + row % CHUNK_COLUMNS
            }
            Packing::Rows { columns, .. } => row * padded(*columns) + column,
            Packing::Vector { .. } => row,
            Packing::Parts { inner } => inner.place(row),
        }
    }
}

/// The tensors of a model in the order of their storage.
#[derive(Debug, Clone, Default)]
pub struct Parameters {
    pub tensors: Vec<Tensor>,
    /// Numbers in each flat array.
    pub length: usize,
}

impl Parameters {
    /// Adds a tensor and gives its index.
    pub fn add(&mut self, name: String, packing: Packing) -> usize {
        let length = packing.length();
        let shape = packing.shape();
        self.tensors.push(Tensor { name, shape, packing, start: None, blocks: 1, offset: self.length, length });
        // Each begins at a whole vector; packings of odd inner sizes are whole vectors too.
        self.length += length.next_multiple_of(LANES);
        self.tensors.len() - 1
    }

    /// Number of trainable numbers, without padding.
    pub fn count(&self) -> usize {
        self.tensors.iter().map(|tensor| tensor.shape.iter().product::<usize>()).sum()
    }

    /// Unpacks every tensor of a flat array, names with `prefix`.
    pub fn read<E: Element>(&self, flat: &[E], prefix: &str) -> Vec<NamedTensor<E>> {
        self.tensors
            .iter()
            .map(|tensor| {
                let mut data = vec![E::ZERO; tensor.shape.iter().product()];
                tensor.each(|index, place| data[index] = flat[place]);
                NamedTensor { name: format!("{prefix}{}", tensor.name), shape: tensor.shape.clone(), data }
            })
            .collect()
    }

    /// Packs `tensors`, whose names carry `prefix`, into a flat array. All must be there, with the right shapes;
    /// on an error nothing is written.
    pub fn write<E: Element>(
        &self,
        flat: &mut [E],
        prefix: &str,
        tensors: &[NamedTensor<E>],
    ) -> Result<(), EngineError> {
        let mut found = Vec::with_capacity(self.tensors.len());
        for tensor in &self.tensors {
            let name = format!("{prefix}{}", tensor.name);
            let given = tensors.iter().find(|t| t.name == name).ok_or_else(|| {
                EngineError::at("PARAMETER_MISSING", &name, format!("The tensor \"{name}\" is missing."))
            })?;
            if given.shape != tensor.shape || given.data.len() != tensor.shape.iter().product::<usize>() {
                let message =
                    format!("The tensor \"{name}\" has shape {:?}; the model needs {:?}.", given.shape, tensor.shape);
                return Err(EngineError::at("PARAMETER_SHAPE", name, message));
            }
            found.push(given);
        }
        for (tensor, given) in self.tensors.iter().zip(found) {
            tensor.each(|index, place| flat[place] = if tensor.has(index) { given.data[index] } else { E::ZERO });
        }
        Ok(())
    }
}

impl Tensor {
    /// False for a number of an absent block, by its row-major index.
    pub fn has(&self, index: usize) -> bool {
        if self.blocks == 1 {
            return true;
        }
        let (row, column) = (index / self.shape[1], index % self.shape[1]);
        row * self.blocks / self.shape[0] <= column * self.blocks / self.shape[1]
    }

    /// Calls `f(row-major index, place in the flat array)` for every number.
    pub fn each(&self, mut f: impl FnMut(usize, usize)) {
        let columns = if self.shape.len() == 2 { self.shape[1] } else { 1 };
        for row in 0..self.shape[0] {
            for column in 0..columns {
                f(row * columns + column, self.offset + self.packing.place(row, column));
            }
        }
    }
}

/// Transposes a packed matrix for the backward products. `panels` gives each panel's place in `weights` and its line
/// width; a panel is `[inner][line]`. Writes `[chunk of 64 inner][line of all panels][inner of the chunk]`, the inner
/// size padded to whole vectors with zeros; only the panels in `range` are written.
///
/// # Safety
/// `weights` and `out` must have room for all of it.
pub unsafe fn transpose<E: Element>(
    weights: *const E,
    panels: &[(usize, usize)],
    range: std::ops::Range<usize>,
    inner: usize,
    out: *mut E,
) {
    let lines: usize = panels.iter().map(|panel| panel.1).sum();
    let inner_padded = padded(inner);
    for chunk in (0..inner_padded).step_by(CHUNK_COLUMNS) {
        let width = (inner_padded - chunk).min(CHUNK_COLUMNS);
        let out = unsafe { out.add(chunk * lines) };
        let mut first_line = panels[..range.start].iter().map(|panel| panel.1).sum::<usize>();
        for &(offset, line) in &panels[range.clone()] {
            for block in (0..width).step_by(LANES) {
                let k = chunk + block;
                let known = inner.saturating_sub(k).min(LANES);
                for j in 0..line {
                    unsafe {
                        let from = weights.add(offset + k * line + j);
                        let to = out.add((first_line + j) * width + block);
                        for i in 0..known {
                            *to.add(i) = *from.add(i * line);
                        }
                        for i in known..LANES {
                            *to.add(i) = E::ZERO;
                        }
                    }
                }
            }
            first_line += line;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packings() -> Vec<Packing> {
        vec![
            Packing::Gates { hidden: 5, slots: &[2, 0, 1], inner: Inner::plain(3) },
            Packing::Gates { hidden: 33, slots: &[0, 1, 2, 3], inner: Inner::panels(5, 2) },
            Packing::SplitGates { hidden: 18, first: &[2, 0], second: &[1], inner: Inner::panels(18, 1) },
            Packing::GateBias { hidden: 17, slots: &[2, 0, 1] },
            Packing::Columns { outputs: 65, inner: Inner::panels(5, 2) },
            Packing::Columns { outputs: 130, inner: Inner::plain(7) },
            Packing::Joined { outputs: Inner::panels(35, 2), first: Inner::panels(5, 2), second: None },
            Packing::Joined {
                outputs: Inner::panels(9, 1),
                first: Inner::panels(3, 1),
                second: Some(Inner::panels(17, 2)),
            },
            Packing::Rows { rows: 4, columns: 9 },
            Packing::Vector { size: 3 },
            Packing::Parts { inner: Inner::panels(19, 2) },
        ]
    }

    #[test]
    fn every_number_has_a_place_of_its_own_and_comes_back() {
        let mut parameters = Parameters::default();
        for (i, packing) in packings().into_iter().enumerate() {
            parameters.add(format!("t{i}"), packing);
        }
        let mut seen = vec![false; parameters.length];
        for tensor in &parameters.tensors {
            tensor.each(|_, place| {
                assert!(place >= tensor.offset && place < tensor.offset + tensor.length);
                assert!(!std::mem::replace(&mut seen[place], true));
            });
        }
        let mut tensors = parameters.read(&vec![0f64; parameters.length], "");
        let mut next = 0.0;
        for tensor in &mut tensors {
            for value in &mut tensor.data {
                next += 1.0;
                *value = next;
            }
        }
        let mut flat = vec![0f64; parameters.length];
        parameters.write(&mut flat, "", &tensors).unwrap();
        assert_eq!(parameters.read(&flat, ""), tensors);
        assert_eq!(flat.iter().filter(|&&v| v != 0.0).count(), parameters.count());
    }

    #[test]
    fn a_wrong_shape_is_named_and_nothing_is_written() {
        let mut parameters = Parameters::default();
        parameters.add("a".into(), Packing::Vector { size: 3 });
        parameters.add("b".into(), Packing::Rows { rows: 2, columns: 2 });
        let mut tensors = parameters.read(&vec![1f32; parameters.length], "");
        tensors[1].shape = vec![4, 1];
        let mut flat = vec![0f32; parameters.length];
        let error = parameters.write(&mut flat, "", &tensors).unwrap_err();
        assert_eq!((error.code.as_str(), error.location.as_deref()), ("PARAMETER_SHAPE", Some("b")));
        assert!(flat.iter().all(|&v| v == 0.0));
        tensors.pop();
        let error = parameters.write(&mut flat, "", &tensors).unwrap_err();
        assert_eq!((error.code.as_str(), error.location.as_deref()), ("PARAMETER_MISSING", Some("b")));
    }

    #[test]
    fn the_transposed_matrix_holds_every_weight() {
        let (hidden, inner) = (20, 70);
        let mut parameters = Parameters::default();
        parameters.add("w".into(), Packing::Gates { hidden, slots: &[0, 1], inner: Inner::plain(inner) });
        let mut flat = vec![0f64; parameters.length];
        parameters.tensors[0].each(|index, place| flat[place] = index as f64 + 1.0);
        let line = 2 * LANES;
        let panels: Vec<_> = (0..2).map(|p| (p * inner * line, line)).collect();
        let mut out = vec![-1f64; 2 * line * padded(inner)];
        unsafe {
            transpose(flat.as_ptr(), &panels, 0..1, inner, out.as_mut_ptr());
            transpose(flat.as_ptr(), &panels, 1..2, inner, out.as_mut_ptr());
        }
        for k in 0..padded(inner) {
            for unit in 0..padded(hidden) {
                for slot in 0..2 {
                    let column = unit / LANES * line + slot * LANES + unit % LANES;
                    let chunk = k / CHUNK_COLUMNS * CHUNK_COLUMNS;
                    let width = (padded(inner) - chunk).min(CHUNK_COLUMNS);
                    let value = out[chunk * 2 * line + column * width + k - chunk];
                    let want = if k < inner && unit < hidden {
                        ((slot * hidden + unit) * inner + k) as f64 + 1.0
                    } else {
                        0.0
                    };
                    assert_eq!(value, want);
                }
            }
        }
    }
}
