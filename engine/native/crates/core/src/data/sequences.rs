//! Sequences of their own lengths, gathered into masked batches.

use std::path::Path;
use std::sync::OnceLock;

use crate::config::{Scaler, SequenceContent, SequenceData, SplitName};
use crate::data::mapped::MappedFile;
use crate::error::EngineError;
use crate::spec::{Batch, IGNORED, Input, Target};

/// No label is asked for at this step.
const NO_LABEL: u16 = u16::MAX;

/// Mapped sequences and where each begins.
pub struct SequenceReader {
    data: SequenceData,
    values: MappedFile,
    targets: Option<MappedFile>,
    /// First step of each sequence, and the end of the last: `[sequences + 1]`.
    starts: Vec<usize>,
    known: OnceLock<TrainingFacts>,
}

/// What answers without a model know of the training part.
#[derive(Debug, Clone, PartialEq)]
pub enum TrainingFacts {
    /// Mean of each target, in its own units.
    Means(Vec<f64>),
    /// Share of ones of each entry among the predicted vectors, (n + 1) / (N + 2).
    Ones(Vec<f64>),
    /// Share of each label, (n + 1) / (N + labels).
    Labels(Vec<f64>),
}

#[derive(Debug, Default, Clone, PartialEq)]
enum Goal {
    #[default]
    None,
    /// `[B*targets]` scaled.
    Values(Vec<f32>),
    /// `[T*B*columns]`
    Bits(Vec<f32>),
    /// `[T*B]`, `IGNORED` where no label is asked for.
    Labels(Vec<u32>),
}

/// B gathered sequences, padded to the longest.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct SequenceBatch {
    size: usize,
    time: usize,
    /// `[T*B*I]` time-major, 0 in the padding; empty for symbols.
    series: Vec<f32>,
    /// `[T*B]`, 0 in the padding; empty for values.
    tokens: Vec<u32>,
    /// Steps that the model reads of each sequence.
    lengths: Vec<usize>,
    is_even: bool,
    goal: Goal,
}

impl SequenceBatch {
    pub fn batch(&self) -> Batch<'_, f32> {
        let input = if self.series.is_empty() { Input::Tokens(&self.tokens) } else { Input::Series(&self.series) };
        let lengths = (!self.is_even).then_some(self.lengths.as_slice());
        Batch { time: self.time, batch: self.size, input, lengths }
    }

    pub fn target(&self) -> Target<'_, f32> {
        match &self.goal {
            Goal::Values(values) => Target::Values(values),
            Goal::Bits(bits) => Target::Bits(bits),
            Goal::Labels(labels) => Target::Tokens(labels),
            Goal::None => unreachable!("a batch is gathered before it is used"),
        }
    }

    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// Steps without the padding.
    pub fn steps(&self) -> usize {
        self.lengths.iter().sum()
    }
}

fn scaled(value: f32, scaler: &Scaler, column: usize) -> f32 {
    (value - scaler.mean[column] as f32) / scaler.deviation[column] as f32
}

impl SequenceReader {
    /// Errors: those of the mapping; `DATASET_DAMAGED` where the files do not fit each other or the split.
    pub fn open(data: &SequenceData) -> Result<Self, EngineError> {
        let beside = |name: &str| data.path.with_file_name(name);
        let damaged = |path: &Path, message: String| {
            let message = format!("{message}; import the dataset again");
            EngineError::at("DATASET_DAMAGED", path.display().to_string(), message)
        };
        let lengths = MappedFile::open(&beside("lengths.bin"), data.sequences as u64 * 4)?;
        let mut starts = Vec::with_capacity(data.sequences + 1);
        let mut end = 0usize;
        starts.push(0);
        for length in lengths.bytes()[..data.sequences * 4].as_chunks::<4>().0 {
            end += u32::from_le_bytes(*length) as usize;
            starts.push(end);
        }
        if end != data.steps {
            return Err(damaged(lengths.path(), format!("the sequences hold {end} steps, not {}", data.steps)));
        }
        let least = if matches!(data.content, SequenceContent::Bits { .. }) { 2 } else { 1 };
        if let Some(short) = starts.windows(2).position(|pair| pair[1] - pair[0] < least) {
            return Err(damaged(lengths.path(), format!("sequence {short} is too short")));
        }
        for split in SplitName::ALL {
            let (start, end) = *data.split.get(split);
            if start > end || end > data.sequences as u64 {
                return Err(damaged(&data.path, format!("the {} part reaches beyond the last sequence", split.name())));
            }
        }
        let (step_bytes, target_bytes) = match &data.content {
            SequenceContent::Values { columns, inputs, scaler, target_columns, targets, target_scaler } => {
                let fits = |chosen: &[usize], columns: usize, scaler: &Scaler| {
                    !chosen.is_empty()
                        && chosen.iter().all(|&column| column < columns)
                        && scaler.mean.len() == chosen.len()
                        && scaler.deviation.len() == chosen.len()
                };
                if !fits(inputs, *columns, scaler) || !fits(targets, *target_columns, target_scaler) {
                    return Err(damaged(&data.path, "the dataset's columns do not fit its values".into()));
                }
                (columns * 4, Some(data.sequences * target_columns * 4))
            }
            SequenceContent::Bits { columns } => (*columns, None),
            SequenceContent::Labels { .. } => (2, Some(data.steps * 2)),
        };
        let values = MappedFile::open(&data.path, (data.steps * step_bytes) as u64)?;
        let targets = target_bytes.map(|bytes| MappedFile::open(&beside("targets.bin"), bytes as u64)).transpose()?;
        Ok(SequenceReader { data: data.clone(), values, targets, starts, known: OnceLock::new() })
    }

    pub fn data(&self) -> &SequenceData {
        &self.data
    }

    /// Number of sequences of a split.
    pub fn count(&self, split: SplitName) -> usize {
        let (start, end) = *self.data.split.get(split);
        (end - start) as usize
    }

    /// Which sequence of the file is number `index` of a split.
    pub fn number(&self, split: SplitName, index: usize) -> usize {
        self.data.split.get(split).0 as usize + index
    }

    /// Steps that the model reads of a sequence: all, or all but the last where each step's target is the next.
    pub fn length(&self, number: usize) -> usize {
        let steps = self.starts[number + 1] - self.starts[number];
        if matches!(self.data.content, SequenceContent::Bits { .. }) { steps - 1 } else { steps }
    }

    /// Longest sequence of a split, in steps that the model reads.
    pub fn longest(&self, split: SplitName) -> usize {
        (0..self.count(split)).map(|index| self.length(self.number(split, index))).max().unwrap_or(1)
    }

    fn float(bytes: &[u8], at: usize) -> f32 {
        let bytes = &bytes[at * 4..at * 4 + 4];
        f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }

    fn short(bytes: &[u8], at: usize) -> u16 {
        u16::from_le_bytes([bytes[at * 2], bytes[at * 2 + 1]])
    }

    fn target_bytes(&self) -> &[u8] {
        self.targets.as_ref().map_or(&[], |file| file.bytes())
    }

    /// Target `target` of a sequence in its own units.
    pub fn raw_target(&self, number: usize, target: usize) -> f32 {
        match &self.data.content {
            SequenceContent::Values { target_columns, targets, .. } => {
                Self::float(self.target_bytes(), number * target_columns + targets[target])
            }
            _ => f32::NAN,
        }
    }

    /// Gathers sequences by their numbers in the file.
    ///
    /// Errors: `DATASET_DAMAGED` for a symbol or label that there is none of.
    pub fn gather(&self, numbers: &[usize], out: &mut SequenceBatch) -> Result<(), EngineError> {
        let size = numbers.len();
        out.size = size;
        out.lengths.clear();
        out.lengths.extend(numbers.iter().map(|&number| self.length(number)));
        let time = out.lengths.iter().copied().max().unwrap_or(0);
        out.time = time;
        out.is_even = out.lengths.iter().all(|&length| length == time);
        out.series.clear();
        out.tokens.clear();
        let bytes = self.values.bytes();
        match &self.data.content {
            SequenceContent::Values { columns, inputs, scaler, targets, target_scaler, .. } => {
                let width = inputs.len();
                out.series.resize(time * size * width, 0.0);
                let mut goal = Vec::with_capacity(size * targets.len());
                for (b, &number) in numbers.iter().enumerate() {
                    for t in 0..out.lengths[b] {
                        let row = (self.starts[number] + t) * columns;
                        for (i, &column) in inputs.iter().enumerate() {
                            let value = scaled(Self::float(bytes, row + column), scaler, i);
                            out.series[(t * size + b) * width + i] = value;
                        }
                    }
                    goal.extend((0..targets.len()).map(|k| scaled(self.raw_target(number, k), target_scaler, k)));
                }
                out.goal = Goal::Values(goal);
            }
            &SequenceContent::Bits { columns } => {
                out.series.resize(time * size * columns, 0.0);
                let mut goal = vec![0.0; time * size * columns];
                for (b, &number) in numbers.iter().enumerate() {
                    for t in 0..out.lengths[b] {
                        let row = (self.starts[number] + t) * columns;
                        let to = (t * size + b) * columns;
                        for k in 0..columns {
                            out.series[to + k] = bytes[row + k] as f32;
                            goal[to + k] = bytes[row + columns + k] as f32;
                        }
                    }
                }
                out.goal = Goal::Bits(goal);
            }
            &SequenceContent::Labels { vocabulary_size, label_count } => {
                out.tokens.resize(time * size, 0);
                let mut goal = vec![IGNORED; time * size];
                for (b, &number) in numbers.iter().enumerate() {
                    for t in 0..out.lengths[b] {
                        let at = self.starts[number] + t;
                        let token = Self::short(bytes, at) as usize;
                        let label = Self::short(self.target_bytes(), at);
                        if token >= vocabulary_size || (label != NO_LABEL && label as usize >= label_count) {
                            return Err(EngineError::at(
                                "DATASET_DAMAGED",
                                format!("{}, step {at}", self.values.path().display()),
                                "there is no such symbol or label; import the dataset again",
                            ));
                        }
                        out.tokens[t * size + b] = token as u32;
                        if label != NO_LABEL {
                            goal[t * size + b] = label as u32;
                        }
                    }
                }
                out.goal = Goal::Labels(goal);
            }
        }
        Ok(())
    }

    /// What answers without a model know; read from the training part once.
    pub fn training_facts(&self) -> &TrainingFacts {
        self.known.get_or_init(|| {
            let (start, end) = self.data.split.train;
            let (start, end) = (start as usize, end as usize);
            match &self.data.content {
                SequenceContent::Values { targets, .. } => {
                    let mean =
                        |k| (start..end).map(|n| self.raw_target(n, k) as f64).sum::<f64>() / (end - start) as f64;
                    TrainingFacts::Means((0..targets.len()).map(mean).collect())
                }
                &SequenceContent::Bits { columns } => {
                    let (mut ones, mut vectors) = (vec![0u64; columns], 0u64);
                    for number in start..end {
                        for step in self.starts[number] + 1..self.starts[number + 1] {
                            vectors += 1;
                            let row = &self.values.bytes()[step * columns..(step + 1) * columns];
                            ones.iter_mut().zip(row).for_each(|(sum, &bit)| *sum += bit as u64);
                        }
                    }
                    TrainingFacts::Ones(ones.iter().map(|&n| (n as f64 + 1.0) / (vectors as f64 + 2.0)).collect())
                }
                &SequenceContent::Labels { label_count, .. } => {
                    let mut counts = vec![1u64; label_count];
                    for step in self.starts[start]..self.starts[end] {
                        if let Some(count) = counts.get_mut(Self::short(self.target_bytes(), step) as usize) {
                            *count += 1;
                        }
                    }
                    let total = counts.iter().sum::<u64>() as f64;
                    TrainingFacts::Labels(counts.iter().map(|&n| n as f64 / total).collect())
                }
            }
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::config::Splits;
    use crate::testing::TempFolder;

    fn write(folder: &TempFolder, name: &str, bytes: Vec<u8>) {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }

    fn data(folder: &TempFolder, lengths: &[u32], content: SequenceContent) -> SequenceData {
        write(folder, "lengths.bin", lengths.iter().flat_map(|n| n.to_le_bytes()).collect());
        let count = lengths.len() as u64;
        SequenceData {
            path: folder.path().join("values.bin"),
            sequences: lengths.len(),
            steps: lengths.iter().sum::<u32>() as usize,
            content,
            split: Splits { train: (0, count - 1), validation: (count - 1, count), test: (count, count) },
        }
    }

    fn floats(values: impl Iterator<Item = f32>) -> Vec<u8> {
        values.flat_map(f32::to_le_bytes).collect()
    }

    #[test]
    fn values_are_scaled_padded_and_time_major() {
        let folder = TempFolder::new();
        // Two columns, step number and its negative; the model reads the second.
        write(&folder, "values.bin", floats((0..6).flat_map(|step| [step as f32, -(step as f32)])));
        write(&folder, "targets.bin", floats([10.0, 20.0, 30.0].into_iter()));
        let content = SequenceContent::Values {
            columns: 2,
            inputs: vec![1],
            scaler: Scaler { mean: vec![1.0], deviation: vec![2.0] },
            target_columns: 1,
            targets: vec![0],
            target_scaler: Scaler { mean: vec![10.0], deviation: vec![10.0] },
        };
        let reader = SequenceReader::open(&data(&folder, &[2, 3, 1], content)).unwrap();
        let mut batch = SequenceBatch::default();
        reader.gather(&[1, 0], &mut batch).unwrap();
        assert_eq!(batch.batch().lengths, Some(&[3usize, 2][..]));
        assert_eq!(batch.series, [-1.5, -0.5, -2.0, -1.0, -2.5, 0.0]);
        assert!(matches!(batch.target(), Target::Values(&[1.0, 0.0])));
        assert_eq!(batch.steps(), 5);
        assert_eq!(*reader.training_facts(), TrainingFacts::Means(vec![15.0]));
        // Sequences of one length need no mask.
        reader.gather(&[2], &mut batch).unwrap();
        assert_eq!(batch.batch().lengths, None);
    }

    #[test]
    fn the_target_of_a_vector_is_the_next_of_its_own_sequence() {
        let folder = TempFolder::new();
        write(&folder, "values.bin", vec![1, 0, 0, 1, 1, 1, 0, 0, 1, 0]);
        let reader = SequenceReader::open(&data(&folder, &[3, 2], SequenceContent::Bits { columns: 2 })).unwrap();
        let mut batch = SequenceBatch::default();
        reader.gather(&[0, 1], &mut batch).unwrap();
        assert_eq!(batch.lengths(), [2, 1]);
        assert_eq!(batch.series, [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
        assert!(matches!(batch.target(), Target::Bits(&[0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0])));
        // Training part: the vectors 01 and 11 of the first sequence.
        assert_eq!(*reader.training_facts(), TrainingFacts::Ones(vec![0.5, 0.75]));
    }

    #[test]
    fn labels_count_where_they_are_asked_for() {
        let folder = TempFolder::new();
        let shorts = |values: &[u16]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        write(&folder, "values.bin", shorts(&[0, 1, 2, 3]));
        write(&folder, "targets.bin", shorts(&[NO_LABEL, 1, 1, 0]));
        let content = |vocabulary_size| SequenceContent::Labels { vocabulary_size, label_count: 2 };
        let reader = SequenceReader::open(&data(&folder, &[3, 1], content(4))).unwrap();
        let mut batch = SequenceBatch::default();
        reader.gather(&[0, 1], &mut batch).unwrap();
        assert_eq!(batch.tokens, [0, 3, 1, 0, 2, 0]);
        assert!(matches!(batch.target(), Target::Tokens(&[IGNORED, 0, 1, IGNORED, 1, IGNORED])));
        assert_eq!(*reader.training_facts(), TrainingFacts::Labels(vec![0.25, 0.75]));
        let small = SequenceReader::open(&data(&folder, &[3, 1], content(3))).unwrap();
        assert_eq!(small.gather(&[1], &mut batch).unwrap_err().code, "DATASET_DAMAGED");
    }

    #[test]
    fn files_that_do_not_fit_are_refused() {
        let folder = TempFolder::new();
        write(&folder, "values.bin", vec![0; 10]);
        let bits = SequenceContent::Bits { columns: 2 };
        let good = data(&folder, &[3, 2], bits);
        let refused = |data: &SequenceData| SequenceReader::open(data).err().unwrap().code;
        assert!(SequenceReader::open(&good).is_ok());
        assert_eq!(refused(&SequenceData { steps: 6, ..good.clone() }), "DATASET_DAMAGED");
        let mut beyond = good.clone();
        beyond.split.test = (2, 3);
        assert_eq!(refused(&beyond), "DATASET_DAMAGED");
        write(&folder, "values.bin", vec![0; 9]);
        assert_eq!(refused(&good), "DATASET_DAMAGED");
        assert_eq!(refused(&data(&folder, &[4, 1], SequenceContent::Bits { columns: 1 })), "DATASET_DAMAGED");
    }
}
