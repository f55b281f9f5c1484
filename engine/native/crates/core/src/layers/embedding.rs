//! The embedding in front of the first layer: only the distinct tokens of a batch are looked up.

use super::masks::{Masks, kept};
use crate::buffer::Buffer;
use crate::element::Element;
use crate::params::{Packing, Parameters, padded};
use crate::pool::Worker;
use crate::rng::Purpose;

const ABSENT: u32 = u32::MAX;

/// The table `[V][W]` inside the flat weights, and the rows of the batch at hand.
pub struct Embedding<E: Element> {
    /// Offset in the flat arrays.
    pub weight: usize,
    pub vocabulary: usize,
    /// Padded embedding size W.
    pub width: usize,
    /// `[distinct][W]`: embeddings of the distinct tokens, and their gradients.
    pub rows: Buffer<E>,
    pub gradient: Buffer<E>,
    /// The distinct tokens in the order of their first appearance, and the place there of each row's token.
    pub distinct: Vec<u32>,
    pub index: Vec<u32>,
    place: Vec<u32>,
    /// Tokens whose rows of the gradient are not zero.
    written: Vec<u32>,
    /// Packing of the head's matrix where that is the table.
    shared: Option<Packing>,
    size: usize,
    /// Share of the tokens whose embedding is 0 in an update, all their places in the batch (Gal & Ghahramani 2016).
    pub dropout: f32,
}

impl<E: Element> Embedding<E> {
    pub fn new(vocabulary: usize, size: usize, parameters: &mut Parameters) -> Self {
        let tensor = parameters.add("embedding.weight".into(), Packing::Rows { rows: vocabulary, columns: size });
        Embedding { weight: parameters.tensors[tensor].offset, ..Self::without_table(vocabulary, size) }
    }

    /// An embedding whose table will be the head's matrix; `share` must follow.
    pub fn without_table(vocabulary: usize, size: usize) -> Self {
        Embedding {
            weight: 0,
            vocabulary,
            width: padded(size),
            rows: Buffer::new(0),
            gradient: Buffer::new(0),
            distinct: Vec::new(),
            index: Vec::new(),
            place: vec![ABSENT; vocabulary],
            written: Vec::new(),
            shared: None,
            size,
            dropout: 0.0,
        }
    }

    /// Takes the head's matrix as table (Press & Wolf 2017): one tensor, called as the embedding's.
    pub fn share(&mut self, parameters: &mut Parameters) {
        let tensor = parameters.tensors.iter_mut().find(|tensor| tensor.name == "head.weight");
        let tensor = tensor.expect("the head has been added");
        tensor.name = "embedding.weight".into();
        self.weight = tensor.offset;
        self.shared = Some(tensor.packing.clone());
    }

    /// True when the table is the head's matrix, whose rows do not lie one after the other.
    pub fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// Finds the distinct tokens; all must be below the vocabulary's size.
    pub fn read(&mut self, tokens: &[u32]) {
        for &token in &self.distinct {
            self.place[token as usize] = ABSENT;
        }
        self.distinct.clear();
        self.index.clear();
        for &token in tokens {
            let place = &mut self.place[token as usize];
            if *place == ABSENT {
                *place = self.distinct.len() as u32;
                self.distinct.push(token);
            }
            self.index.push(*place);
        }
        self.rows.reserve(self.distinct.len() * self.width);
        self.gradient.reserve(self.distinct.len() * self.width);
    }

    /// Multiplies a row with the factor of its token in an update, seed and step.
    unsafe fn drop_row(&self, row: *mut E, token: usize, update: Option<(u64, u64)>) {
        let Some(update) = update.filter(|_| self.dropout > 0.0) else { return };
        let mut factor = [E::ONE];
        let masks = Masks::new(Purpose::EmbeddingDropout, 0, self.dropout, update);
        masks.fill(&mut factor, kept(self.dropout), [token as u32, 0]);
        for k in 0..self.width {
            unsafe { *row.add(k) = *row.add(k) * factor[0] };
        }
    }

    /// Copies the worker's share of the distinct rows, with dropout in an `update`. A barrier must follow.
    ///
    /// # Safety
    /// `weights` must be the flat array.
    pub unsafe fn gather(&self, weights: *const E, update: Option<(u64, u64)>, worker: &Worker) {
        for place in worker.share(self.distinct.len()) {
            let token = self.distinct[place] as usize;
            let row = self.rows.at(place * self.width);
            unsafe {
                match &self.shared {
                    None => row.copy_from_nonoverlapping(weights.add(self.weight + token * self.width), self.width),
                    Some(packing) => {
                        row.write_bytes(0, self.width);
                        for column in 0..self.size {
                            *row.add(column) = *weights.add(self.weight + packing.place(token, column));
                        }
                    }
                }
                self.drop_row(row, token, update);
            }
        }
    }

    /// Zeroes the gradient rows that an earlier step wrote. A barrier must follow.
    ///
    /// # Safety
    /// `gradients` must be the flat array.
    pub unsafe fn forget(&self, gradients: *mut E, worker: &Worker) {
        // The head writes all of a shared table's gradient.
        if self.shared.is_some() {
            return;
        }
        for place in worker.share(self.written.len()) {
            let row = self.weight + self.written[place] as usize * self.width;
            unsafe { gradients.add(row).write_bytes(0, self.width) };
        }
    }

    /// Writes the worker's share of the distinct rows' gradients into the flat array; adds it to the head's where the
    /// table is shared.
    ///
    /// # Safety
    /// `gradients` must be the flat array; the worker must have written its share of `gradient`, and all workers the
    /// head's gradient.
    pub unsafe fn spread(&self, gradients: *mut E, update: Option<(u64, u64)>, worker: &Worker) {
        for place in worker.share(self.distinct.len()) {
            let token = self.distinct[place] as usize;
            let row = self.gradient.at(place * self.width);
            unsafe {
                self.drop_row(row, token, update);
                match &self.shared {
                    None => gradients.add(self.weight + token * self.width).copy_from_nonoverlapping(row, self.width),
                    Some(packing) => {
                        for column in 0..self.size {
                            let to = gradients.add(self.weight + packing.place(token, column));
                            *to = *to + *row.add(column);
                        }
                    }
                }
            }
        }
    }

    /// To be called once the gradients of a step are complete.
    pub fn remember(&mut self) {
        self.written.clone_from(&self.distinct);
    }
}
