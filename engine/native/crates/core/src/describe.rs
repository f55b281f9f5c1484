//! What a model would be made of, without building it: the form asks while its user types.

use serde::Serialize;

use crate::cells::{CellEntry, Extent, Further, FurtherTensor, choose_cell, lower_problem, name_in_layer};
use crate::error::EngineError;
use crate::options::check_options;
use crate::spec::{AttentionKind, HeadMode, InitialState, InputSpec, LayerSpec, ModelSpec};

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
    let mut below = None;
    for (index, layer) in spec.layers.iter().enumerate() {
        let field = |name: &str| format!("layers.{index}.{name}");
        if layer.hidden_size == 0 {
            return invalid(field("hiddenSize"), "the hidden size must be at least 1");
        }
        if !(0.0..1.0).contains(&layer.dropout) {
            return invalid(field("dropout"), "the dropout must be at least 0 and below 1");
        }
        let chosen =
            choose_cell(name_in_layer(&layer.cell, index), &layer.options, layer.hidden_size).map_err(|error| {
                EngineError::at("MODEL_INVALID", field(error.location.as_deref().unwrap_or("cell")), error.message)
            })?;
        let entry = chosen.cell;
        let cell = entry.info();
        if let Some(message) = layer.projection_problem(entry) {
            return invalid(field("projectionSize"), &message);
        }
        if let Some(below) = below
            && let Some((name, message)) = lower_problem(entry, layer.hidden_size, below)
        {
            return invalid(field(name), &message);
        }
        below = Some((entry, layer.hidden_size));
        let (hidden, output) = (layer.hidden_size, layer.output_size(entry));
        for direction in ["", "_reverse"].iter().take(layer.directions()) {
            for (stem, shape) in tensors_of(entry, width, layer) {
                add(format!("recurrent.{stem}_l{index}{direction}"), shape);
            }
        }
        width = output * layer.directions();
        if layer.layer_norm {
            add(format!("norm.{index}.weight"), vec![width]);
            add(format!("norm.{index}.bias"), vec![width]);
        }
        if layer.layer_norm || layer.residual {
            // The normalised output, and the derivative past it.
            kept += 2 * width;
        }
        // Gates, states, and the derivative that reaches the outputs.
        let states = output + (cell.states.len() - 1) * hidden;
        kept += layer.directions() * (cell.gate_order.len() * hidden + states + kept_besides(entry, hidden)) + width;
    }
    check_options(spec)?;
    let outputs = spec.head.output_size;
    if outputs == 0 {
        return invalid("head.outputSize".into(), "the head needs at least one output");
    }
    for (name, shape) in spec.options.attention.tensors(width) {
        add(format!("attention.{name}"), shape);
    }
    let attends = spec.options.attention != AttentionKind::None;
    if !spec.options.tie_weights {
        add("head.weight".into(), vec![outputs, width]);
    }
    add("head.bias".into(), vec![outputs]);
    if spec.options.initial_state == InitialState::Learned {
        for (index, layer) in spec.layers.iter().enumerate() {
            let states = choose_cell(&layer.cell, &layer.options, layer.hidden_size)?.cell.info().states;
            for direction in ["", "_reverse"].iter().take(layer.directions()) {
                for state in states {
                    add(format!("initial.{state}_l{index}{direction}"), vec![layer.hidden_size]);
                }
            }
        }
    }
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

/// Stems and shapes of the tensors of one direction of a layer.
fn tensors_of(entry: &dyn CellEntry, input: usize, layer: &LayerSpec) -> Vec<(&'static str, Vec<usize>)> {
    let (hidden, output) = (layer.hidden_size, layer.output_size(entry));
    let size = |extent: Extent| match extent {
        Extent::Input => input,
        Extent::Hidden => hidden,
        Extent::Gates => entry.info().gate_order.len() * hidden,
        Extent::Output => output,
    };
    let mut tensors = entry.info().tensors(input, hidden, output);
    for FurtherTensor { name, rows, columns } in Further::of(entry).tensors {
        tensors.push((name, std::iter::once(rows).chain(columns).map(size).collect()));
    }
    tensors
}

/// Numbers per time step, sequence and direction that are kept besides gates and states: what a second product
/// reads; a further gate and the lower c; normalised sums with their derivatives, and c and what is seen of it.
fn kept_besides(entry: &dyn CellEntry, hidden: usize) -> usize {
    if entry.lower().is_some() {
        2 * hidden
    } else if entry.normalised().is_some() {
        (4 * entry.info().gate_order.len() + 2) * hidden
    } else if entry.second().is_some() {
        hidden
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cells::{cells, find_cell};
    use crate::model::Model;
    use crate::pool::Pool;
    use crate::spec::HeadSpec;

    fn layer(cell: &str, hidden_size: usize, bidirectional: bool) -> LayerSpec {
        LayerSpec { cell: cell.into(), hidden_size, bidirectional, ..LayerSpec::default() }
    }

    #[test]
    fn says_what_the_model_has() {
        for cell in cells() {
            let upper = if find_cell(cell.name).unwrap().lower().is_some() { 7 } else { 4 };
            for (input, bidirectional) in [
                (InputSpec::Tokens { vocabulary_size: 9, embedding_size: 5 }, false),
                (InputSpec::Series { input_size: 3 }, true),
            ] {
                let spec = ModelSpec {
                    input,
                    layers: vec![layer(cell.name, 7, bidirectional), layer(cell.name, upper, false)],
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
