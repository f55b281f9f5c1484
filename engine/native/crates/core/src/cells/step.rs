//! One time step of a cell as a list of ONNX operators: what the exporter writes into a `Scan` where no operator holds
//! the cell, and how it computes gates and states again where one does.
//!
//! A line gives a value its name. Names that a line may read:
//!
//! | name | value |
//! | --- | --- |
//! | `a.G` | the whole sum of gate G: W x + U h with all its biases (gates that the recurrent product leaves out: W x) |
//! | `x.G`, `u.G` | its part from the input with the input's bias, its part from the recurrent product with that one's bias |
//! | `x`, `u` | the same for all gates side by side; `Wx`, `Uh`: the bare products without biases |
//! | `h_before`, `c_before`, … | a state before the step |
//! | a tensor's stem (`p_i`, `b`, `weight_hr`) | its numbers; a matrix stands transposed, as `MatMul` wants it on the right |
//! | `NAME.G` | gate G's block of anything that holds all gates side by side, a matrix included: `MatMul(rh, U.n)` |
//! | an option's name (`periods`) | its list as one whole number (int64) per unit, each for an equal share of them |
//! | `input` | what the layer reads at this step |
//! | `t` | number of the time step of each sequence, from 0: int64, `[batch, 1]` |
//! | `c_below` | the cell state of the layer below at this step, `[batch, its units]` |
//! | `1`, `0.5`, `-1` | a number |
//!
//! The list must name every state under its own name (`h`, `c`, …: after the step) and every signal. Operators are
//! ONNX's, with the attributes they need: `ReduceMean` is over the units and keeps the axis, `Mod` takes whole numbers,
//! `Cast` makes a condition of them: all but 0 is true.

use serde::Serialize;

/// `output = operator(inputs)`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Op {
    pub output: &'static str,
    pub operator: &'static str,
    pub inputs: &'static [&'static str],
}

pub(super) const fn op(output: &'static str, operator: &'static str, inputs: &'static [&'static str]) -> Op {
    Op { output, operator, inputs }
}
