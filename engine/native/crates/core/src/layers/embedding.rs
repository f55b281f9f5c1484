//! The embedding in front of the first layer: only the distinct tokens of a batch are looked up.

use crate::buffer::Buffer;
use crate::element::Element;
use crate::params::{Packing, Parameters, padded};
use crate::pool::Worker;

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
}

impl<E: Element> Embedding<E> {
    pub fn new(vocabulary: usize, size: usize, parameters: &mut Parameters) -> Self {
        let tensor = parameters.add("embedding.weight".into(), Packing::Rows { rows: vocabulary, columns: size });
        Embedding {
            weight: parameters.tensors[tensor].offset,
            vocabulary,
            width: padded(size),
            rows: Buffer::new(0),
            gradient: Buffer::new(0),
            distinct: Vec::new(),
            index: Vec::new(),
            place: vec![ABSENT; vocabulary],
            written: Vec::new(),
        }
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

    /// Copies the worker's share of the distinct rows. A barrier must follow.
    ///
    /// # Safety
    /// `weights` must be the flat array.
    pub unsafe fn gather(&self, weights: *const E, worker: &Worker) {
        for place in worker.share(self.distinct.len()) {
            let from = self.weight + self.distinct[place] as usize * self.width;
            unsafe { self.rows.at(place * self.width).copy_from_nonoverlapping(weights.add(from), self.width) };
        }
    }

    /// Zeroes the gradient rows that an earlier step wrote. A barrier must follow.
    ///
    /// # Safety
    /// `gradients` must be the flat array.
    pub unsafe fn forget(&self, gradients: *mut E, worker: &Worker) {
        for place in worker.share(self.written.len()) {
            let row = self.weight + self.written[place] as usize * self.width;
            unsafe { gradients.add(row).write_bytes(0, self.width) };
        }
    }

    /// Writes the worker's share of the distinct rows' gradients into the flat array.
    ///
    /// # Safety
    /// `gradients` must be the flat array; the worker must have written its share of `gradient`.
    pub unsafe fn spread(&self, gradients: *mut E, worker: &Worker) {
        for place in worker.share(self.distinct.len()) {
            let row = self.weight + self.distinct[place] as usize * self.width;
            unsafe { gradients.add(row).copy_from_nonoverlapping(self.gradient.at(place * self.width), self.width) };
        }
    }

    /// To be called once the gradients of a step are complete.
    pub fn remember(&mut self) {
        self.written.clone_from(&self.distinct);
    }
}
