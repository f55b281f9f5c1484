//! Settings of a cell (`options.<name>` of its layer): what a cell allows, and which of its variants they choose.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{CellEntry, CellInfo, find_cell};
use crate::error::EngineError;

/// A setting that a cell has: one of some words, or a list of whole numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CellOption {
    pub name: &'static str,
    /// The words it may be, the usual one first; empty where it is a list of whole numbers.
    pub values: &'static [&'static str],
    /// The usual list. Where its length does not divide the hidden size, the longest beginning of it whose length does.
    pub numbers: &'static [usize],
}

impl CellOption {
    pub(super) const fn choice(name: &'static str, values: &'static [&'static str]) -> Self {
        CellOption { name, values, numbers: &[] }
    }

    /// Rising numbers, each for an equal share of the units.
    pub(super) const fn list(name: &'static str, usual: &'static [usize]) -> Self {
        CellOption { name, values: &[], numbers: usual }
    }
}

/// What a layer's configuration says of an option.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OptionValue {
    Word(String),
    Numbers(Vec<usize>),
}

/// Options by name; missing ones have their usual value.
pub type OptionValues = BTreeMap<String, OptionValue>;

/// A cell with its options: the variant that its words choose, and its lists of numbers.
pub struct Chosen {
    pub cell: &'static dyn CellEntry,
    /// One entry per option that is a list, in the order of `CellInfo::options`.
    pub numbers: Vec<Vec<usize>>,
}

/// What the usual list becomes for a hidden size.
fn usual_numbers(usual: &[usize], hidden_size: usize) -> Vec<usize> {
    let length = (1..=usual.len()).rev().find(|length| hidden_size.is_multiple_of(*length)).unwrap_or(1);
    usual[..length].to_vec()
}

/// The variant of `name` that `given` asks for.
///
/// Errors: `CELL_UNKNOWN` at `cell`; `MODEL_INVALID` at `options.<name>`.
pub fn choose_cell(name: &str, given: &OptionValues, hidden_size: usize) -> Result<Chosen, EngineError> {
    let usual = find_cell(name).map_err(|error| EngineError { location: Some("cell".into()), ..error })?;
    let options = usual.info().options;
    let invalid =
        |option: &str, message: String| Err(EngineError::at("MODEL_INVALID", format!("options.{option}"), message));
    if let Some(unknown) = given.keys().find(|given| options.iter().all(|option| option.name != given.as_str())) {
        let known: Vec<_> = options.iter().map(|option| option.name).collect();
        let has = if known.is_empty() { "no options".into() } else { format!("only {}", known.join(", ")) };
        return invalid(unknown, format!("The cell {name} has no option \"{unknown}\"; it has {has}."));
    }
    let mut words = Vec::new();
    let mut numbers = Vec::new();
    for option in options {
        match (given.get(option.name), option.values.first()) {
            (None, Some(first)) => words.push((option.name, *first)),
            (None, None) => numbers.push(usual_numbers(option.numbers, hidden_size)),
            (Some(OptionValue::Word(word)), Some(_)) => match option.values.iter().find(|value| *value == word) {
                Some(value) => words.push((option.name, *value)),
                None => {
                    let allowed = option.values.join(", ");
                    return invalid(option.name, format!("\"{word}\" is none of {allowed}."));
                }
            },
            (Some(OptionValue::Numbers(list)), None) => {
                if list.is_empty() || list[0] == 0 || list.windows(2).any(|pair| pair[0] >= pair[1]) {
                    return invalid(option.name, "This takes whole numbers from 1 on that rise.".into());
                }
                if !hidden_size.is_multiple_of(list.len()) {
                    let message = format!(
                        "{} numbers cannot share {hidden_size} units equally; take another hidden size.",
                        list.len()
                    );
                    return invalid(option.name, message);
                }
                numbers.push(list.clone());
            }
            (Some(_), Some(_)) => return invalid(option.name, format!("This is one of {}.", option.values.join(", "))),
            (Some(_), None) => return invalid(option.name, "This takes a list of whole numbers.".into()),
        }
    }
    let fits = |info: &CellInfo| words.iter().all(|word| info.choice.contains(word));
    let variant = usual.variants().iter().copied().find(|variant| fits(variant.info()));
    Ok(Chosen { cell: variant.unwrap_or(usual), numbers })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::{CELLS, variants};

    fn word(name: &str, value: &str) -> OptionValues {
        BTreeMap::from([(name.to_string(), OptionValue::Word(value.to_string()))])
    }

    #[test]
    fn every_choice_of_a_cell_has_its_variant() {
        for cell in CELLS {
            let info = cell.info();
            assert_eq!(info.states[cell.layout().reads], info.recurrent_state, "{}", info.name);
            let words: usize = info.options.iter().map(|option| option.values.len().max(1)).product();
            assert_eq!(variants(info.name).count(), words, "{}", info.name);
            for variant in variants(info.name) {
                let given = variant.chosen();
                let found = choose_cell(info.name, &given, 8).unwrap().cell.info();
                assert_eq!((found.name, found.choice), (variant.name, variant.choice));
                assert_eq!(found.options, info.options);
            }
            assert_eq!(choose_cell(info.name, &BTreeMap::new(), 8).unwrap().cell.info().choice, info.choice);
        }
    }

    #[test]
    fn wrong_options_are_named_with_what_is_allowed() {
        for (cell, given, place, says) in [
            ("gru", word("forget", "exp"), "options.forget", "no options"),
            ("lstm", word("whithout", "input-gate"), "options.whithout", "only without"),
            ("lstm", word("without", "gate"), "options.without", "input-gate"),
        ] {
            let error = choose_cell(cell, &given, 8).err().expect("must be refused");
            assert_eq!((error.code.as_str(), error.location.as_deref()), ("MODEL_INVALID", Some(place)));
            assert!(error.message.contains(says), "{}", error.message);
        }
    }

    #[test]
    fn the_usual_list_fits_the_hidden_size() {
        for (hidden, wanted) in [(8, vec![1, 2, 4, 8]), (6, vec![1, 2, 4]), (10, vec![1, 2]), (7, vec![1])] {
            assert_eq!(usual_numbers(&[1, 2, 4, 8], hidden), wanted);
        }
    }
}
