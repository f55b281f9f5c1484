//! What the options of a model need of its sizes: checked before anything is built.

use crate::cells::{Memory, find_cell, name_in_layer};
use crate::error::EngineError;
use crate::loss::ValueLoss;
use crate::spec::{InputSpec, ModelSpec};

/// Refuses options that do not go together.
///
/// Errors: `MODEL_INVALID` with the field.
pub fn check_options(spec: &ModelSpec) -> Result<(), EngineError> {
    let invalid = |field: String, message: String| Err(EngineError::at("MODEL_INVALID", field, message));
    let options = &spec.options;
    let width = |index: usize| {
        let layer = &spec.layers[index];
        let output =
            find_cell(name_in_layer(&layer.cell, index)).map_or(layer.hidden_size, |cell| layer.output_size(cell));
        output * layer.directions()
    };
    if options.tie_weights {
        let top = width(spec.layers.len() - 1);
        match spec.input {
            InputSpec::Series { .. } => {
                return invalid("options.tieWeights".into(), "a model of series has no embedding to tie to".into());
            }
            InputSpec::Tokens { vocabulary_size, .. } if vocabulary_size != spec.head.output_size => {
                return invalid(
                    "options.tieWeights".into(),
                    format!(
                        "tied weights need one output per token, not {} for {vocabulary_size}",
                        spec.head.output_size
                    ),
                );
            }
            InputSpec::Tokens { embedding_size, .. } if embedding_size != top => {
                return invalid(
                    "input.embeddingSize".into(),
                    format!(
                        "tied weights need the embedding as wide as the last layer's output: {top}, not {embedding_size}"
                    ),
                );
            }
            InputSpec::Tokens { .. } => {}
        }
    }
    let mut input = spec.input.width();
    for (index, layer) in spec.layers.iter().enumerate() {
        if layer.residual && input != width(index) {
            return invalid(
                format!("layers.{index}.residual"),
                format!(
                    "a residual connection adds the layer's input, {input} wide, to its output, {} wide; make them equal",
                    width(index)
                ),
            );
        }
        input = width(index);
        let shares = [
            ("weightDrop", layer.weight_drop),
            ("zoneoutHidden", layer.zoneout_hidden),
            ("zoneoutCell", layer.zoneout_cell),
        ];
        if let Some((name, _)) = shares.into_iter().find(|(_, share)| !(0.0..1.0).contains(share)) {
            return invalid(format!("layers.{index}.{name}"), "the share must be at least 0 and below 1".into());
        }
    }
    scanned_layers(spec)?;
    if !(0.0..1.0).contains(&options.embedding_dropout) {
        return invalid("options.embeddingDropout".into(), "the share must be at least 0 and below 1".into());
    }
    if let ValueLoss::Huber { delta } = options.loss
        && !(delta > 0.0 && delta.is_finite())
    {
        return invalid("options.loss.delta".into(), format!("delta must be a number above 0, not {delta}"));
    }
    let initialization = &options.initialization;
    if let Some(bias) = initialization.forget_bias {
        let field = "options.initialization.forgetBias";
        if !bias.is_finite() {
            return invalid(field.into(), "the forget bias must be a number".into());
        }
        if initialization.chrono.is_some() {
            return invalid(field.into(), "the forget bias and chrono both set the same biases; choose one".into());
        }
    }
    if initialization.chrono.is_some_and(|longest| longest < 2) {
        return invalid("options.initialization.chrono".into(), "chrono needs a lag of at least 2 steps".into());
    }
    if initialization.forget_bias.is_some() || initialization.chrono.is_some() {
        let has_gate = |cell: &str| find_cell(cell).is_ok_and(|cell| Memory::of(cell.info()).is_gated());
        if !spec.layers.iter().any(|layer| has_gate(&layer.cell)) {
            let field = if initialization.chrono.is_some() { "chrono" } else { "forgetBias" };
            return invalid(
                format!("options.initialization.{field}"),
                "no layer has a gate that keeps the memory; choose another cell or leave this out".into(),
            );
        }
    }
    Ok(())
}

/// A cell without a product from step to step is scanned: it has no weights to drop there, and no step at which to keep
/// a state.
fn scanned_layers(spec: &ModelSpec) -> Result<(), EngineError> {
    for (index, layer) in spec.layers.iter().enumerate() {
        let scanned = find_cell(&layer.cell).is_ok_and(|cell| cell.info().names.recurrent.is_none());
        let cell = &layer.cell;
        let weights = format!("{cell} has no recurrent weights to drop; set it to 0 or choose another cell");
        let steps = format!(
            "{cell} is scanned over all steps at once, where zoneout cannot keep a unit's state; set it to 0 or choose another cell"
        );
        for (name, share, message) in [
            ("weightDrop", layer.weight_drop, &weights),
            ("zoneoutHidden", layer.zoneout_hidden, &steps),
            ("zoneoutCell", layer.zoneout_cell, &steps),
        ] {
            if scanned && share > 0.0 {
                return Err(EngineError::at("MODEL_INVALID", format!("layers.{index}.{name}"), message));
            }
            // A unit's states are shares of each other: kept one by one they would no longer belong together.
            if name != "weightDrop"
                && share > 0.0
                && find_cell(&layer.cell).is_ok_and(|cell| cell.info().states.len() > 2)
            {
                let message = format!(
                    "{cell} scales its states by one another, so zoneout cannot keep some of them; set it to 0 or choose another cell"
                );
                return Err(EngineError::at("MODEL_INVALID", format!("layers.{index}.{name}"), message));
            }
        }
    }
    Ok(())
}
