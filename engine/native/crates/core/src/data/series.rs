//! Windows of a table: scaled, their last value taken off, gathered time-major.

use crate::config::{SeriesData, Span, SplitName};
use crate::data::mapped::MappedFile;
use crate::error::EngineError;

/// Mapped values `[rows, columns]` and the rule that makes windows of them.
pub struct SeriesReader {
    file: MappedFile,
    data: SeriesData,
    mean: Vec<f32>,
    deviation: Vec<f32>,
}

/// A gathered batch of B windows.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct WindowBatch {
    pub batch: usize,
    /// `[T*B*I]` time-major, scaled, last value off where the task says so.
    pub inputs: Vec<f32>,
    /// `[B*horizon*targets]` horizon-major per window, in the same scale.
    pub targets: Vec<f32>,
    /// `[B*I]` the scaled last value of every input (what `subtractLast` takes off; the naive forecast).
    pub last: Vec<f32>,
}

impl SeriesReader {
    /// Errors: those of the mapping; `DATASET_DAMAGED` where columns or windows reach beyond the table.
    pub fn open(data: &SeriesData) -> Result<Self, EngineError> {
        let damaged = |message: String| EngineError::at("DATASET_DAMAGED", data.path.display().to_string(), message);
        let inputs = data.inputs.len();
        if data.target_count == 0 || data.target_count > inputs || data.inputs.iter().any(|&c| c >= data.columns) {
            return Err(damaged("the dataset's columns do not fit its values; import it again".into()));
        }
        if data.scaler.mean.len() != inputs || data.scaler.deviation.len() != inputs {
            return Err(damaged("the scaler does not fit the number of inputs".into()));
        }
        let length = (data.lookback + data.horizon) as u64;
        for split in SplitName::ALL {
            if data.windows.get(split).iter().any(|&(start, end)| end > start && end - 1 + length > data.rows as u64) {
                return Err(damaged(format!("a {} window reaches beyond the last row", split.name())));
            }
        }
        let file = MappedFile::open(&data.path, (data.rows * data.columns * 4) as u64)?;
        Ok(SeriesReader {
            file,
            mean: data.scaler.mean.iter().map(|&v| v as f32).collect(),
            deviation: data.scaler.deviation.iter().map(|&v| v as f32).collect(),
            data: data.clone(),
        })
    }

    pub fn data(&self) -> &SeriesData {
        &self.data
    }

    /// Raw value at a row of input `input`.
    pub fn raw(&self, row: usize, input: usize) -> f32 {
        let at = (row * self.data.columns + self.data.inputs[input]) * 4;
        let bytes = &self.file.bytes()[at..at + 4];
        f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }

    /// Scaled value at a row of input `input`.
    pub fn scaled(&self, row: usize, input: usize) -> f32 {
        (self.raw(row, input) - self.mean[input]) / self.deviation[input]
    }

    /// Turns a scaled value (last value added again) of target `target` into a raw one.
    pub fn unscale(&self, value: f32, target: usize) -> f32 {
        value * self.deviation[target] + self.mean[target]
    }

    /// Number of windows of a split.
    pub fn count(&self, split: SplitName) -> usize {
        self.data.windows.get(split).iter().map(|&(start, end)| end.saturating_sub(start) as usize).sum()
    }

    /// First row of window `index` of a split.
    pub fn start(&self, split: SplitName, index: usize) -> usize {
        nth(self.data.windows.get(split), index as u64).expect("window index within the split") as usize
    }

    /// Gathers one window's inputs where its future may lie beyond the table; its targets stay empty.
    pub fn gather_inputs(&self, start: usize, out: &mut WindowBatch) {
        self.gather_part(&[start], 0, out);
    }

    /// Gathers the windows that start at `starts`.
    pub fn gather(&self, starts: &[usize], out: &mut WindowBatch) {
        self.gather_part(starts, self.data.horizon, out);
    }

    fn gather_part(&self, starts: &[usize], horizon: usize, out: &mut WindowBatch) {
        let (time, inputs) = (self.data.lookback, self.data.inputs.len());
        let targets = self.data.target_count;
        let batch = starts.len();
        out.batch = batch;
        out.inputs.resize(time * batch * inputs, 0.0);
        out.targets.resize(batch * horizon * targets, 0.0);
        out.last.resize(batch * inputs, 0.0);
        for (b, &start) in starts.iter().enumerate() {
            for i in 0..inputs {
                let last = self.scaled(start + time - 1, i);
                out.last[b * inputs + i] = last;
                let off = if self.data.subtract_last { last } else { 0.0 };
                for t in 0..time {
                    out.inputs[(t * batch + b) * inputs + i] = self.scaled(start + t, i) - off;
                }
                if i < targets {
                    for h in 0..horizon {
                        out.targets[(b * horizon + h) * targets + i] = self.scaled(start + time + h, i) - off;
                    }
                }
            }
        }
    }
}

/// Entry `index` of the ranges laid end to end.
fn nth(ranges: &[Span], mut index: u64) -> Option<u64> {
    for &(start, end) in ranges {
        let count = end.saturating_sub(start);
        if index < count {
            return Some(start + index);
        }
        index -= count;
    }
    None
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::config::{Scaler, Splits};
    use crate::testing::TempFolder;

    /// Two columns: `10 + row` and `100 - row`; the second is the target.
    pub(crate) fn table(folder: &TempFolder, rows: usize, subtract_last: bool) -> SeriesData {
        let path = folder.path().join("values.bin");
        let bytes: Vec<u8> =
            (0..rows).flat_map(|r| [10.0 + r as f32, 100.0 - r as f32]).flat_map(f32::to_le_bytes).collect();
        std::fs::write(&path, bytes).unwrap();
        SeriesData {
            path,
            rows,
            columns: 2,
            inputs: vec![1, 0],
            target_count: 1,
            scaler: Scaler { mean: vec![100.0, 10.0], deviation: vec![2.0, 4.0] },
            lookback: 3,
            horizon: 2,
            subtract_last,
            season: 1,
            windows: Splits { train: vec![(0, 2), (5, 6)], validation: vec![], test: vec![] },
        }
    }

    #[test]
    fn windows_are_scaled_and_time_major() {
        let folder = TempFolder::new();
        let reader = SeriesReader::open(&table(&folder, 10, false)).unwrap();
        assert_eq!(reader.count(SplitName::Train), 3);
        assert_eq!(reader.start(SplitName::Train, 2), 5);
        let mut batch = WindowBatch::default();
        reader.gather(&[0, 5], &mut batch);
        // Input 0 is (100 - row - 100) / 2, input 1 is row / 4.
        assert_eq!(batch.inputs, [0.0, 0.0, -2.5, 1.25, -0.5, 0.25, -3.0, 1.5, -1.0, 0.5, -3.5, 1.75]);
        assert_eq!(batch.targets, [-1.5, -2.0, -4.0, -4.5]);
        assert_eq!(batch.last, [-1.0, 0.5, -3.5, 1.75]);
        assert_eq!(reader.unscale(-1.5, 0), 97.0);
    }

    #[test]
    fn the_last_value_comes_off_inputs_and_targets() {
        let folder = TempFolder::new();
        let reader = SeriesReader::open(&table(&folder, 10, true)).unwrap();
        let mut batch = WindowBatch::default();
        reader.gather(&[5], &mut batch);
        assert_eq!(batch.inputs, [1.0, -0.5, 0.5, -0.25, 0.0, 0.0]);
        assert_eq!(batch.targets, [-0.5, -1.0]);
    }

    #[test]
    fn windows_beyond_the_table_are_refused() {
        let folder = TempFolder::new();
        let mut data = table(&folder, 10, true);
        data.windows.test = vec![(5, 7)];
        assert_eq!(SeriesReader::open(&data).err().unwrap().code, "DATASET_DAMAGED");
        data.windows.test = vec![(5, 6)];
        assert!(SeriesReader::open(&data).is_ok());
        data.rows = 11;
        assert_eq!(SeriesReader::open(&data).err().unwrap().code, "DATASET_DAMAGED");
    }
}
