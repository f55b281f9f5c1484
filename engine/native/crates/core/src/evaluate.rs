//! Measuring a model on a split.

mod sequences;

use crate::config::{DataConfig, SplitName, TokenData};
use crate::data::{SequenceReader, SeriesReader, TokenReader, WindowBatch};
use crate::error::EngineError;
use crate::loss::ValueLoss;
use crate::metrics::{Baselines, Errors, ForecastMetrics, LanguageModelMetrics, Metrics, SeasonalErrors};
use crate::model::Model;
use crate::spec::{Batch, Input, Target};

/// An opened dataset.
pub enum Source {
    Tokens { reader: TokenReader, data: TokenData },
    Series(SeriesReader),
    Sequences(SequenceReader),
}

impl Source {
    /// Errors: those of the readers.
    pub fn open(data: &DataConfig) -> Result<Self, EngineError> {
        Ok(match data {
            DataConfig::Tokens(data) => Source::Tokens { reader: TokenReader::open(data)?, data: data.clone() },
            DataConfig::Series(data) => Source::Series(SeriesReader::open(data)?),
            DataConfig::Sequences(data) => Source::Sequences(SequenceReader::open(data)?),
        })
    }
}

/// The most that is measured of a split; `None` = all of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limit {
    /// First tokens of a text.
    pub tokens: Option<u64>,
    /// Windows of a table or sequences, evenly spaced.
    pub windows: Option<usize>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Measured {
    Metrics(Metrics),
    /// The split holds nothing to measure.
    Empty,
    Interrupted,
}

/// Measures a split. `keep_going` is asked between chunks.
///
/// Errors: those of the model and the readers.
pub fn measure(
    model: &mut Model<f32>,
    source: &Source,
    split: SplitName,
    limit: Limit,
    keep_going: &mut dyn FnMut() -> bool,
) -> Result<Measured, EngineError> {
    match source {
        Source::Tokens { reader, data } => measure_tokens(model, reader, data, split, limit, keep_going),
        Source::Series(reader) => measure_windows(model, reader, split, limit, keep_going),
        Source::Sequences(reader) => sequences::measure(model, reader, split, limit, keep_going),
    }
}

/// Time steps of one chunk: long enough that products over time are efficient, short enough that the logits of a
/// large vocabulary stay within 16 MB.
fn chunk_length(vocabulary_size: usize) -> usize {
    (4 * 1024 * 1024 / vocabulary_size.max(1)).clamp(16, 2048)
}

fn measure_tokens(
    model: &mut Model<f32>,
    reader: &TokenReader,
    data: &TokenData,
    split: SplitName,
    limit: Limit,
    keep_going: &mut dyn FnMut() -> bool,
) -> Result<Measured, EngineError> {
    let (start, end) = *data.split.get(split);
    let mut inputs = end.saturating_sub(start).saturating_sub(1);
    if let Some(most) = limit.tokens {
        inputs = inputs.min(most);
    }
    if inputs == 0 {
        return Ok(Measured::Empty);
    }
    let chunk = chunk_length(data.vocabulary_size);
    let mut states = model.zero_states(1);
    let (mut sum, mut count) = (0.0, 0u64);
    let mut run = Vec::with_capacity(chunk + 1);
    let mut at = 0;
    while at < inputs {
        if !keep_going() {
            return Ok(Measured::Interrupted);
        }
        let time = chunk.min((inputs - at) as usize);
        run.resize(time + 1, 0);
        reader.copy(start + at, &mut run)?;
        let batch = Batch { time, batch: 1, input: Input::Tokens(&run[..time]), lengths: None };
        let loss = model.loss(&batch, &Target::Tokens(&run[1..]), &mut states)?;
        sum += loss.sum;
        count += loss.count as u64;
        at += time as u64;
    }
    Ok(Measured::Metrics(Metrics::LanguageModel(LanguageModelMetrics::new(sum / count as f64, count))))
}

/// Windows of one forward pass: bounded by the memory of their gates.
fn windows_per_batch(lookback: usize) -> usize {
    (16_384 / lookback.max(1)).clamp(1, 256)
}

/// Takes a batch, its windows' starts, and its forecasts.
type TakeForecasts<'a> = dyn FnMut(&WindowBatch, &[usize], &[f32]) + 'a;

/// Calls `take` for the windows of a split; false when interrupted.
/// Forecasts are `[B*horizon*targets]`, scaled, without the last value.
fn for_windows(
    model: &mut Model<f32>,
    reader: &SeriesReader,
    split: SplitName,
    most: Option<usize>,
    keep_going: &mut dyn FnMut() -> bool,
    take: &mut TakeForecasts,
) -> Result<bool, EngineError> {
    let count = reader.count(split);
    let wanted = most.unwrap_or(count).min(count);
    let size = windows_per_batch(reader.data().lookback);
    let mut gathered = WindowBatch::default();
    let mut done = 0;
    while done < wanted {
        if !keep_going() {
            return Ok(false);
        }
        let rows = size.min(wanted - done);
        let starts: Vec<usize> = (done..done + rows)
            .map(|i| reader.start(split, (i as u128 * count as u128 / wanted as u128) as usize))
            .collect();
        reader.gather(&starts, &mut gathered);
        let batch =
            Batch { time: reader.data().lookback, batch: rows, input: Input::Series(&gathered.inputs), lengths: None };
        let mut states = model.zero_states(rows);
        let forecasts = model.forward(&batch, &mut states, None)?;
        take(&gathered, &starts, &forecasts);
        done += rows;
    }
    Ok(true)
}

/// Sums of squared and absolute errors.
#[derive(Default, Clone, Copy)]
struct Sums {
    squared: f64,
    absolute: f64,
    count: u64,
}

impl Sums {
    fn add(&mut self, error: f64) {
        self.squared += error * error;
        self.absolute += error.abs();
        self.count += 1;
    }

    fn means(&self) -> Errors {
        Errors { mse: self.squared / self.count as f64, mae: self.absolute / self.count as f64 }
    }
}

/// The loss that is trained with, summed.
struct Cost {
    loss: ValueLoss,
    sum: f64,
    count: u64,
}

impl Cost {
    fn of(model: &Model<f32>) -> Self {
        Cost { loss: model.spec().options.loss, sum: 0.0, count: 0 }
    }

    fn add(&mut self, error: f64) {
        self.sum += self.loss.of(error);
        self.count += 1;
    }

    fn mean(&self) -> f64 {
        self.sum / self.count as f64
    }
}

fn measure_windows(
    model: &mut Model<f32>,
    reader: &SeriesReader,
    split: SplitName,
    limit: Limit,
    keep_going: &mut dyn FnMut() -> bool,
) -> Result<Measured, EngineError> {
    let data = reader.data().clone();
    let (horizon, targets, inputs) = (data.horizon, data.target_count, data.inputs.len());
    let (mut model_sums, mut raw, mut last_sums, mut seasonal) =
        (Sums::default(), Sums::default(), Sums::default(), Sums::default());
    let mut cost = Cost::of(model);
    let mut windows = 0u64;
    let whole = for_windows(model, reader, split, limit.windows, keep_going, &mut |batch, starts, forecasts| {
        windows += batch.batch as u64;
        for (b, &start) in starts.iter().enumerate() {
            for h in 0..horizon {
                for target in 0..targets {
                    let at = (b * horizon + h) * targets + target;
                    let truth = batch.targets[at] as f64;
                    let error = forecasts[at] as f64 - truth;
                    model_sums.add(error);
                    cost.add(error);
                    raw.add(error * data.scaler.deviation[target]);
                    // In the scale of the targets the last value is 0 where it was taken off.
                    let last = batch.last[b * inputs + target] as f64;
                    let off = if data.subtract_last { last } else { 0.0 };
                    last_sums.add(last - off - truth);
                    if data.season > 1 {
                        let row = (start + data.lookback + h).checked_sub(data.season * (h / data.season + 1));
                        let value = row.map(|row| reader.scaled(row, target) as f64).filter(|value| value.is_finite());
                        seasonal.add(value.unwrap_or(last) - off - truth);
                    }
                }
            }
        }
    })?;
    if !whole {
        return Ok(Measured::Interrupted);
    }
    if windows == 0 {
        return Ok(Measured::Empty);
    }
    let errors = model_sums.means();
    let seasonal = (data.season > 1).then(|| {
        let means = seasonal.means();
        SeasonalErrors { mse: means.mse, mae: means.mae, season: data.season }
    });
    Ok(Measured::Metrics(Metrics::Forecast(ForecastMetrics {
        loss: cost.mean(),
        mse: errors.mse,
        mae: errors.mae,
        raw: raw.means(),
        baselines: Baselines { last: last_sums.means(), seasonal },
        windows,
    })))
}

/// The most residuals kept for quantiles (80 MB); more windows are thinned evenly.
const MOST_RESIDUALS: usize = 20_000_000;

/// Quantiles of `truth - forecast` (standardized) over the validation windows, `[horizon*targets]` each:
/// a forecast plus `lower` and `upper` covers a share `level` of them. Interpolated linearly between order statistics.
///
/// Errors: `CONFIG_INVALID` for a text or a level outside (0, 1); `DATASET_TOO_SHORT` without validation windows.
pub fn residual_quantiles(
    model: &mut Model<f32>,
    source: &Source,
    level: f64,
) -> Result<(Vec<f32>, Vec<f32>), EngineError> {
    let Source::Series(reader) = source else {
        return Err(EngineError::at("CONFIG_INVALID", "task.kind", "only a forecast has intervals"));
    };
    if !(level > 0.0 && level < 1.0) {
        return Err(EngineError::at(
            "INPUT_INVALID",
            "level",
            format!("the level of an interval lies between 0 and 1, not at {level}"),
        ));
    }
    let outputs = reader.data().horizon * reader.data().target_count;
    let mut residuals: Vec<Vec<f32>> = vec![Vec::new(); outputs];
    for_windows(
        model,
        reader,
        SplitName::Validation,
        Some((MOST_RESIDUALS / outputs).max(1)),
        &mut || true,
        &mut |batch, _, forecasts| {
            for (at, (&truth, &forecast)) in batch.targets.iter().zip(forecasts).enumerate() {
                residuals[at % outputs].push(truth - forecast);
            }
        },
    )?;
    if residuals[0].is_empty() {
        return Err(EngineError::at(
            "DATASET_TOO_SHORT",
            "split",
            "there are no validation windows to take intervals from; enlarge the validation part",
        ));
    }
    let (mut lower, mut upper) = (Vec::with_capacity(outputs), Vec::with_capacity(outputs));
    for values in &mut residuals {
        values.sort_unstable_by(f32::total_cmp);
        lower.push(quantile(values, (1.0 - level) / 2.0));
        upper.push(quantile(values, (1.0 + level) / 2.0));
    }
    Ok((lower, upper))
}

/// Of ascending values, at least one.
fn quantile(sorted: &[f32], share: f64) -> f32 {
    let place = share * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    let weight = place - below as f64;
    (sorted[below] as f64 * (1.0 - weight) + sorted[above] as f64 * weight) as f32
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn quantiles_lie_between_order_statistics() {
        let values = [0.0, 1.0, 2.0, 3.0, 4.0];
        assert_eq!(quantile(&values, 0.5), 2.0);
        assert_eq!(quantile(&values, 0.1), 0.4);
        assert_eq!(quantile(&values, 1.0), 4.0);
        assert_eq!(quantile(&[7.0], 0.05), 7.0);
    }
}
