//! The two uses of bfloat16, both off unless asked for: operands of a training's products, and stored weights of a model
//! that only runs.

use super::Model;
use crate::element::Element;
use crate::error::EngineError;
use crate::kernels::bfloat16::{PairKernels, from_bfloat16, pairs_problem, to_bfloat16};
use crate::layers::Kept;

impl<E: Element> Model<E> {
    /// From now on training steps round the operands of their products to bfloat16; weights, moments, states, gates and
    /// sums stay in E. Evaluation is as before.
    ///
    /// Errors: `CONFIG_INVALID` where these kernels cannot do it.
    pub fn round_products(&mut self) -> Result<(), EngineError> {
        if let Some(reason) = pairs_problem(self.kernel(), E::PRECISION) {
            let message = format!(
                "products of bfloat16 operands are not possible here: {reason}; take float32 for training.products"
            );
            return Err(EngineError::at("CONFIG_INVALID", "training.products", message));
        }
        self.pairs = PairKernels::available();
        Ok(())
    }

    /// Rounds every matrix to bfloat16 and keeps packed copies of half the size for steps with few rows, until the
    /// weights change. Biases, gains and peepholes stay as they are, and so do the sums.
    pub fn store_weights(&mut self) {
        self.kept = Kept::default();
        let length = self.parameters.length;
        let weights = self.weights.slice_mut(length);
        for tensor in self.parameters.tensors.iter().filter(|tensor| tensor.shape.len() == 2) {
            for value in &mut weights[tensor.offset..tensor.offset + tensor.length] {
                *value = E::from_f64(from_bfloat16(to_bfloat16(value.to_f64() as f32)) as f64);
            }
        }
        let weights = self.weights.slice(length);
        for direction in self.stack.layers.iter_mut().flat_map(|layer| &mut layer.directions) {
            direction.store_pairs(weights);
        }
        self.head.store_pairs(weights);
        self.stored = true;
    }
}
