//! Measuring on sequences, each from zero states.

use super::{Cost, Limit, Measured, Sums};
use crate::config::{SequenceContent, SplitName};
use crate::data::sequences::TrainingFacts;
use crate::data::{SequenceBatch, SequenceReader};
use crate::error::EngineError;
use crate::metrics::{BinaryVectorMetrics, LabelMetrics, LabelScores, Metrics, RegressMetrics};
use crate::model::Model;
use crate::spec::{IGNORED, Target};

/// Steps, padding included, of one forward pass, and its most sequences.
const BATCH_STEPS: usize = 16_384;
const BATCH_SEQUENCES: usize = 256;

/// Measures a split. `keep_going` is asked between batches.
///
/// Errors: those of the model and the reader.
pub fn measure(
    model: &mut Model<f32>,
    reader: &SequenceReader,
    split: SplitName,
    limit: Limit,
    keep_going: &mut dyn FnMut() -> bool,
) -> Result<Measured, EngineError> {
    let count = reader.count(split);
    let wanted = limit.windows.unwrap_or(count).min(count);
    let size = (BATCH_STEPS / reader.longest(split)).clamp(1, BATCH_SEQUENCES);
    let mut tally = Tally::new(model, reader);
    let mut gathered = SequenceBatch::default();
    let mut done = 0;
    while done < wanted {
        if !keep_going() {
            return Ok(Measured::Interrupted);
        }
        let rows = size.min(wanted - done);
        let numbers: Vec<usize> = (done..done + rows)
            .map(|i| reader.number(split, (i as u128 * count as u128 / wanted as u128) as usize))
            .collect();
        reader.gather(&numbers, &mut gathered)?;
        tally.add(model, reader, &numbers, &gathered)?;
        done += rows;
    }
    Ok(tally.metrics(wanted as u64).map_or(Measured::Empty, Measured::Metrics))
}

/// What is counted, by the kind of sequences.
enum Tally {
    Regress {
        scaled: Cost,
        raw: Sums,
        baseline: Sums,
        /// Per target: sums of truth, of its square, and of the squared errors, all in own units.
        moments: Vec<[f64; 3]>,
    },
    Bits {
        loss: f64,
        baseline: f64,
        frames: u64,
    },
    Labels {
        loss: f64,
        right: u64,
        whole: u64,
        blind: f64,
        blind_right: u64,
        labels: u64,
    },
}

impl Tally {
    fn new(model: &Model<f32>, reader: &SequenceReader) -> Self {
        match &reader.data().content {
            SequenceContent::Values { targets, .. } => Tally::Regress {
                scaled: Cost::of(model),
                raw: Sums::default(),
                baseline: Sums::default(),
                moments: vec![[0.0; 3]; targets.len()],
            },
            SequenceContent::Bits { .. } => Tally::Bits { loss: 0.0, baseline: 0.0, frames: 0 },
            SequenceContent::Labels { .. } => {
                Tally::Labels { loss: 0.0, right: 0, whole: 0, blind: 0.0, blind_right: 0, labels: 0 }
            }
        }
    }

    fn add(
        &mut self,
        model: &mut Model<f32>,
        reader: &SequenceReader,
        numbers: &[usize],
        gathered: &SequenceBatch,
    ) -> Result<(), EngineError> {
        let (batch, target) = (gathered.batch(), gathered.target());
        let mut states = model.zero_states(batch.batch);
        match (self, &target, &reader.data().content, reader.training_facts()) {
            (
                Tally::Regress { scaled, raw, baseline, moments },
                Target::Values(truths),
                SequenceContent::Values { target_scaler, .. },
                TrainingFacts::Means(means),
            ) => {
                let answers = model.forward(&batch, &mut states, None)?;
                for (at, (&answer, &truth)) in answers.iter().zip(*truths).enumerate() {
                    let (row, k) = (at / means.len(), at % means.len());
                    let error = answer as f64 - truth as f64;
                    let error_raw = error * target_scaler.deviation[k];
                    let own = reader.raw_target(numbers[row], k) as f64;
                    scaled.add(error);
                    raw.add(error_raw);
                    baseline.add(means[k] - own);
                    let [sum, squares, errors] = &mut moments[k];
                    *sum += own;
                    *squares += own * own;
                    *errors += error_raw * error_raw;
                }
            }
            (Tally::Bits { loss, baseline, frames }, Target::Bits(bits), _, TrainingFacts::Ones(ones)) => {
                let measured = model.loss(&batch, &target, &mut states)?;
                *loss += measured.sum;
                *frames += measured.count as u64;
                let logs: Vec<(f64, f64)> = ones.iter().map(|&p| (-p.ln(), -(-p).ln_1p())).collect();
                for (b, &length) in gathered.lengths().iter().enumerate() {
                    for t in 0..length {
                        let row = &bits[(t * batch.batch + b) * ones.len()..][..ones.len()];
                        *baseline +=
                            row.iter().zip(&logs).map(|(&bit, l)| if bit > 0.5 { l.0 } else { l.1 }).sum::<f64>();
                    }
                }
            }
            (
                Tally::Labels { loss, right, whole, blind, blind_right, labels },
                Target::Tokens(truths),
                _,
                TrainingFacts::Labels(shares),
            ) => {
                *loss += model.loss(&batch, &target, &mut states)?.sum;
                let mut states = model.zero_states(batch.batch);
                let logits = model.forward(&batch, &mut states, None)?;
                let usual = largest(shares);
                for b in 0..batch.batch {
                    let mut is_whole = true;
                    for row in (0..batch.time).map(|t| t * batch.batch + b).filter(|&row| truths[row] != IGNORED) {
                        let truth = truths[row] as usize;
                        let is_right = largest(&logits[row * shares.len()..][..shares.len()]) == truth;
                        *labels += 1;
                        *right += u64::from(is_right);
                        *blind -= shares[truth].ln();
                        *blind_right += u64::from(usual == truth);
                        is_whole &= is_right;
                    }
                    *whole += u64::from(is_whole);
                }
            }
            _ => unreachable!("tally, target and facts are made from the same content"),
        }
        Ok(())
    }

    /// `None` where nothing was measured.
    fn metrics(&self, sequences: u64) -> Option<Metrics> {
        match self {
            Tally::Regress { scaled, raw, baseline, moments } => {
                if scaled.count == 0 {
                    return None;
                }
                let determination = |&[sum, squares, errors]: &[f64; 3]| {
                    let spread = squares - sum * sum / sequences as f64;
                    // Below this the sums hold only rounding.
                    (spread > 1e-12 * squares).then(|| 1.0 - errors / spread)
                };
                let each: Option<Vec<f64>> = moments.iter().map(determination).collect();
                let errors = raw.means();
                Some(Metrics::Regress(RegressMetrics {
                    loss: scaled.mean(),
                    mse: errors.mse,
                    mae: errors.mae,
                    r2: each.map(|each| each.iter().sum::<f64>() / each.len() as f64),
                    baseline: baseline.means(),
                    sequences,
                }))
            }
            &Tally::Bits { loss, baseline, frames } => (frames > 0).then(|| {
                let mean = |sum: f64| sum / frames as f64;
                Metrics::BinaryVectors(BinaryVectorMetrics {
                    loss: mean(loss),
                    baseline: mean(baseline),
                    frames,
                    sequences,
                })
            }),
            &Tally::Labels { loss, right, whole, blind, blind_right, labels } => {
                let share = |count: u64| count as f64 / labels as f64;
                (labels > 0).then(|| {
                    Metrics::Label(LabelMetrics {
                        loss: loss / labels as f64,
                        accuracy: share(right),
                        sequences_right: whole as f64 / sequences as f64,
                        baseline: LabelScores { loss: blind / labels as f64, accuracy: share(blind_right) },
                        labels,
                        sequences,
                    })
                })
            }
        }
    }
}

/// Index of the largest value; the first of equal ones.
fn largest<V: PartialOrd>(values: &[V]) -> usize {
    (1..values.len()).fold(0, |most, k| if values[k] > values[most] { k } else { most })
}
