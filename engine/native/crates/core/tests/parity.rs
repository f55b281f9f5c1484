//! The engine against the reference fixtures of its cells, with every instruction set this processor has.

use std::path::PathBuf;

use sluice_core::cells;
use sluice_core::kernels::KernelKind;
use sluice_core::parity::{run_fixture, run_fixture_with};

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../../tests/fixtures/reference")
}

#[test]
fn every_cell_agrees_with_its_fixtures() {
    let mut seen = 0;
    for cell in cells() {
        for case in ["tiny", "small", "small-bi2", "small-tanh", "small-exp", "small-log"] {
            let path = fixtures().join(format!("{}.{case}.json", cell.name));
            let Ok(json) = std::fs::read_to_string(&path) else {
                // Only some cells have a case of two layers and directions, or one of another option.
                assert!(case.contains("small-"), "{} is missing", path.display());
                continue;
            };
            for kind in KernelKind::available() {
                for result in run_fixture_with(&json, kind).unwrap() {
                    println!("{} {case} {kind:?} {result:?}", cell.name);
                    assert!(result.passed, "{} {case} {kind:?}: {result:?}", cell.name);
                    seen += 1;
                }
            }
        }
    }
    assert!(seen >= 18);
}

#[test]
fn every_kind_of_attention_agrees_with_its_fixtures() {
    for name in ["bahdanau", "luong-dot", "luong-general", "luong-concat", "scaled-dot"] {
        for case in ["tiny", "small"] {
            let json = std::fs::read_to_string(fixtures().join(format!("attention-{name}.{case}.json"))).unwrap();
            for kind in KernelKind::available() {
                for result in run_fixture_with(&json, kind).unwrap() {
                    println!("{name} {case} {kind:?} {result:?}");
                    assert!(result.passed, "{name} {case} {kind:?}: {result:?}");
                }
            }
            // One weight wrong, and it shows.
            let mut wrong: serde_json::Value = serde_json::from_str(&json).unwrap();
            wrong["params"]["W_c"][0][0] = 3.into();
            assert!(run_fixture(&wrong.to_string()).unwrap().iter().all(|result| !result.passed), "{name}");
        }
    }
}

#[test]
fn losses_optimisers_clipping_and_a_run_agree_with_their_fixture() {
    let json = std::fs::read_to_string(fixtures().join("training.json")).unwrap();
    for kind in KernelKind::available() {
        for result in run_fixture_with(&json, kind).unwrap() {
            assert!(result.passed && result.left_out.is_empty(), "{kind:?}: {result:?}");
        }
    }
    // A comparison that is off by little more than the tolerance does not pass.
    let mut fixture: serde_json::Value = serde_json::from_str(&json).unwrap();
    for path in [
        "/losses/0/loss",
        "/losses/3/grad/0/1/2",
        "/losses/4/loss",
        "/optimisers/6/after_each_step/4/2",
        "/clipping/clipped/0/1",
        "/run/end/head_bias/1",
    ] {
        let number = fixture.pointer_mut(path).unwrap_or_else(|| panic!("no {path}"));
        let right = number.clone();
        *number = (right.as_f64().unwrap() + 3e-4).into();
        assert!(run_fixture(&fixture.to_string()).unwrap().iter().all(|result| !result.passed), "{path}");
        *fixture.pointer_mut(path).unwrap() = right;
    }
}

#[test]
fn an_option_of_a_fixture_reaches_the_cell() {
    let json = std::fs::read_to_string(fixtures().join("lstm-peephole-cell-input.small-tanh.json")).unwrap();
    let other = json.replace("\"sigma_h\": \"tanh\"", "\"sigma_h\": \"identity\"");
    assert!(run_fixture(&json).unwrap().iter().all(|result| result.passed));
    assert!(run_fixture(&other).unwrap().iter().all(|result| !result.passed));
}

#[test]
fn a_wrong_weight_or_gate_order_fails() {
    let json = std::fs::read_to_string(fixtures().join("lstm.small.json")).unwrap();
    let mut fixture: serde_json::Value = serde_json::from_str(&json).unwrap();
    let rows = fixture["params"]["weight_ih_l0"].as_array_mut().unwrap();
    // Input and forget gate in the wrong order.
    let hidden = rows.len() / 4;
    for unit in 0..hidden {
        rows.swap(unit, hidden + unit);
    }
    for result in run_fixture(&fixture.to_string()).unwrap() {
        assert!(!result.passed);
        assert!(result.max_absolute_error > 1e-3);
    }
}

#[test]
fn a_damaged_fixture_is_an_error_with_a_code() {
    assert_eq!(run_fixture("{").unwrap_err().code, "FIXTURE_INVALID");
    let json = std::fs::read_to_string(fixtures().join("lstm.tiny.json")).unwrap();
    let unknown = json.replace("\"lstm\"", "\"no-such-cell\"");
    assert_eq!(run_fixture(&unknown).unwrap_err().code, "CELL_UNKNOWN");
}
