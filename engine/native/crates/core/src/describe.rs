//! What a model would be made of, without building it: the form asks while its user types.

use serde::Serialize;

use crate::cells::choose_cell;
use crate::error::EngineError;
use crate::spec::{AttentionKind, HeadMode, InputSpec, ModelSpec};

/// A parameter tensor by PyTorch's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TensorShape {
    pub name: String,
    pub shape: Vec<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Description {
    pub parameters: usize,
    pub tensors: Vec<TensorShape>,
    /// Weights, gradients and two moments in float32, and the activations of a batch where one is given.
    pub training_bytes: usize,
}

/// Describes a model; `work` is the (time, batch) of a training step, whose activations are then counted.
///
/// Errors: `MODEL_INVALID` with the field.
pub fn describe(spec: &ModelSpec, work: Option<(usize, usize)>) -> Result<Description, EngineError> {
    let invalid = |field: String, message: &str| Err(EngineError::at("MODEL_INVALID", field, message));
    let mut tensors = Vec::new();
    let mut add = |name: String, shape: Vec<usize>| tensors.push(TensorShape { name, shape });
    let mut width = spec.input.width();
    // Numbers per time step and sequence that a training step keeps.
    let mut kept = width;
    if let InputSpec::Tokens { vocabulary_size, embedding_size } = spec.input {
        if vocabulary_size == 0 {
            return invalid("input.vocabularySize".into(), "the vocabulary is empty");
        }
        if embedding_size == 0 {
            return invalid("input.embeddingSize".into(), "the embedding size must be at least 1");
        }
        add("embedding.weight".into(), vec![vocabulary_size, embedding_size]);
    }
    if width == 0 {
        return invalid("input.inputSize".into(), "the series needs at least one column");
    }
    if spec.layers.is_empty() {
        return invalid("layers".into(), "the model needs at least one recurrent layer");
    }
    for (index, layer) in spec.layers.iter().enumerate() {
        let field = |name: &str| format!("layers.{index}.{name}");
        if layer.hidden_size == 0 {
            return invalid(field("hiddenSize"), "the hidden size must be at least 1");
        }
        if !(0.0..1.0).contains(&layer.dropout) {
            return invalid(field("dropout"), "the dropout must be at least 0 and below 1");
        }
        let chosen = choose_cell(&layer.cell, &layer.options, layer.hidden_size).map_err(|error| {
            EngineError::at("MODEL_INVALID", field(error.location.as_deref().unwrap_or("cell")), error.message)
        })?;
        let cell = chosen.cell.info();
        let (hidden, rows) = (layer.hidden_size, cell.gate_order.len() * layer.hidden_size);
        for direction in ["", "_reverse"].iter().take(layer.directions()) {
            for (stem, shape) in cell.tensors(width, hidden) {
                add(format!("recurrent.{stem}_l{index}{direction}"), shape);
            }
        }
        width = hidden * layer.directions();
        // Gates, states, and the derivative that reaches the outputs.
        kept += layer.directions() * (rows + cell.states.len() * hidden) + width;
    }
    let outputs = spec.head.output_size;
    if outputs == 0 {
        return invalid("head.outputSize".into(), "the head needs at least one output");
    }
    for (name, shape) in spec.options.attention.tensors(width) {
        add(format!("attention.{name}"), shape);
    }
    let attends = spec.options.attention != AttentionKind::None;
    add("head.weight".into(), vec![outputs, width]);
    add("head.bias".into(), vec![outputs]);
    let parameters: usize = tensors.iter().map(|tensor| tensor.shape.iter().product::<usize>()).sum();
    let activations = work.map_or(0, |(time, batch)| {
        let head = match spec.head.mode {
            HeadMode::EveryStep => time * outputs,
            HeadMode::LastStep => outputs,
        };
        let queries = if spec.head.mode == HeadMode::EveryStep { time } else { 1 };
        // Weights of every query for every key; context and output with their derivatives, and what is compared.
        let attention = if attends { queries * time + 4 * queries * width + 2 * (queries + time) * width } else { 0 };
        batch * (time * kept + head + attention)
    });
    Ok(Description { parameters, tensors, training_bytes: 4 * (4 * parameters + activations) })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cells::cells;
    use crate::model::Model;
    use crate::pool::Pool;
    use crate::spec::{HeadSpec, LayerSpec};

    fn layer(cell: &str, hidden_size: usize, bidirectional: bool) -> LayerSpec {
        LayerSpec { cell: cell.into(), hidden_size, bidirectional, ..LayerSpec::default() }
    }

    #[test]
    fn says_what_the_model_has() {
        for cell in cells() {
            for (input, bidirectional) in [
                (InputSpec::Tokens { vocabulary_size: 9, embedding_size: 5 }, false),
                (InputSpec::Series { input_size: 3 }, true),
            ] {
                let spec = ModelSpec {
                    input,
                    layers: vec![layer(cell.name, 7, bidirectional), layer(cell.name, 4, false)],
                    head: HeadSpec { output_size: 6, mode: HeadMode::LastStep },
                    options: Default::default(),
                };
                let described = describe(&spec, None).unwrap();
                let model = Model::<f32>::new(spec, 1, Arc::new(Pool::new(1))).unwrap();
                let mut real: Vec<_> = model.parameters().into_iter().map(|t| (t.name, t.shape)).collect();
                let mut said: Vec<_> = described.tensors.into_iter().map(|t| (t.name, t.shape)).collect();
                real.sort();
                said.sort();
                assert_eq!(said, real);
                assert_eq!(described.parameters, model.parameter_count());
            }
        }
    }

    #[test]
    fn refuses_at_the_field() {
        let good = ModelSpec {
            input: InputSpec::Series { input_size: 1 },
            layers: vec![layer("lstm", 4, false)],
            head: HeadSpec { output_size: 1, mode: HeadMode::LastStep },
            options: Default::default(),
        };
        let mut zero = good.clone();
        zero.layers[0].hidden_size = 0;
        let mut unknown = good.clone();
        unknown.layers[0].cell = "lstn".into();
        for (spec, field) in [(zero, "layers.0.hiddenSize"), (unknown, "layers.0.cell")] {
            let error = describe(&spec, None).unwrap_err();
            assert_eq!((error.code.as_str(), error.location.as_deref()), ("MODEL_INVALID", Some(field)));
        }
        assert!(describe(&good, Some((10, 2))).unwrap().training_bytes > describe(&good, None).unwrap().training_bytes);
    }
}
