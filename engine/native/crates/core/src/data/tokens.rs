//! A text as tokens, and the windows of truncated backpropagation through time over it.

use crate::config::{Span, TokenData};
use crate::data::mapped::MappedFile;
use crate::error::EngineError;
use crate::spec::IGNORED;

/// Tokens of a mapped `tokens.bin`.
pub struct TokenReader {
    file: MappedFile,
    bytes_per_token: usize,
    vocabulary_size: usize,
}

impl TokenReader {
    /// Errors: those of the mapping; `DATASET_DAMAGED` where splits reach beyond the file.
    pub fn open(data: &TokenData) -> Result<Self, EngineError> {
        let bytes_per_token = data.bytes_per_token as usize;
        if !matches!(bytes_per_token, 2 | 4) {
            return Err(EngineError::at(
                "DATASET_DAMAGED",
                data.path.display().to_string(),
                "tokens must have two or four bytes; import the dataset again",
            ));
        }
        let split = &data.split;
        let end = split.train.1.max(split.validation.1).max(split.test.1);
        let file = MappedFile::open(&data.path, end * bytes_per_token as u64)?;
        Ok(TokenReader { file, bytes_per_token, vocabulary_size: data.vocabulary_size })
    }

    /// Copies tokens `start .. start + out.len()`.
    ///
    /// Errors: `DATASET_DAMAGED` for a token outside the vocabulary.
    pub fn copy(&self, start: u64, out: &mut [u32]) -> Result<(), EngineError> {
        let width = self.bytes_per_token;
        let from = start as usize * width;
        let bytes = &self.file.bytes()[from..from + out.len() * width];
        if width == 2 {
            for (token, pair) in out.iter_mut().zip(bytes.chunks_exact(2)) {
                *token = u16::from_le_bytes([pair[0], pair[1]]) as u32;
            }
        } else {
            for (token, four) in out.iter_mut().zip(bytes.chunks_exact(4)) {
                *token = u32::from_le_bytes([four[0], four[1], four[2], four[3]]);
            }
        }
        match out.iter().position(|&token| token as usize >= self.vocabulary_size) {
            None => Ok(()),
            Some(at) => Err(EngineError::at(
                "DATASET_DAMAGED",
                format!("{}, token {}", self.file.path().display(), start + at as u64),
                format!(
                    "token {} is not in the vocabulary of {}; import the dataset again",
                    out[at], self.vocabulary_size
                ),
            )),
        }
    }
}

/// A training range cut into `batch` contiguous streams that are read side by side, `time` tokens at a time.
///
/// Every stream has the same length; the tokens that are left over at the range's end (fewer than
/// `batch + 1`) are not trained on. The last window of an epoch is shorter where the length does not divide.
///
/// Window n is read for the targets of its `time` new tokens (k1). A `reach` (k2) beyond that puts the tokens before them in
/// front, whose targets do not count again: the gradient of a loss runs back over at most `reach` tokens, fewer at an epoch's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenWindows {
    start: u64,
    /// Inputs per stream and epoch.
    length: u64,
    pub batch: usize,
    time: usize,
    reach: usize,
}

/// What a window holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowShape {
    /// Time steps, those read again included.
    pub time: usize,
    /// Time steps whose targets count.
    pub fresh: usize,
    /// Steps after which the state is the one that the next window begins with.
    pub carry_after: usize,
}

impl TokenWindows {
    /// Errors: `DATASET_TOO_SHORT` where a stream would hold no input with a target.
    pub fn new(range: Span, batch: usize, time: usize) -> Result<Self, EngineError> {
        let tokens = range.1.saturating_sub(range.0);
        let length = tokens.saturating_sub(1) / batch as u64;
        if length == 0 {
            return Err(EngineError::at(
                "DATASET_TOO_SHORT",
                "training.batchSize",
                format!(
                    "the training part has {tokens} tokens, too few for {batch} streams; lower training.batchSize or bring more text"
                ),
            ));
        }
        let time = time.min(length as usize);
        Ok(TokenWindows { start: range.0, length, batch, time, reach: time })
    }

    /// The same with gradients that run back over `reach` tokens.
    pub fn reaching(self, reach: usize) -> Self {
        TokenWindows { reach: reach.max(self.time), ..self }
    }

    pub fn steps_per_epoch(&self) -> u64 {
        self.length.div_ceil(self.time as u64)
    }

    /// Behind the last token of window `index`.
    fn end(&self, index: u64) -> u64 {
        ((index + 1) * self.time as u64).min(self.length)
    }

    /// First token of window `index` in its stream, those read again included.
    pub fn first(&self, index: u64) -> u64 {
        (index * self.time as u64).saturating_sub((self.reach - self.time) as u64)
    }

    pub fn shape(&self, index: u64) -> WindowShape {
        let (first, end) = (self.first(index), self.end(index));
        let time = (end - first) as usize;
        let next = if end == self.length { end } else { self.first(index + 1) };
        WindowShape {
            time,
            fresh: (end - index * self.time as u64) as usize,
            carry_after: (next - first).min(time as u64) as usize,
        }
    }

    /// Reads window `index` of an epoch, time-major `[T*B]`: inputs, and each one's next token as target, `IGNORED` where
    /// an earlier window had it.
    pub fn read(
        &self,
        reader: &TokenReader,
        index: u64,
        inputs: &mut Vec<u32>,
        targets: &mut Vec<u32>,
    ) -> Result<WindowShape, EngineError> {
        let shape = self.shape(index);
        let (time, again) = (shape.time, shape.time - shape.fresh);
        inputs.resize(time * self.batch, 0);
        targets.resize(time * self.batch, 0);
        let mut run = vec![0u32; time + 1];
        for b in 0..self.batch {
            reader.copy(self.start + b as u64 * self.length + self.first(index), &mut run)?;
            for t in 0..time {
                inputs[t * self.batch + b] = run[t];
                targets[t * self.batch + b] = if t < again { IGNORED } else { run[t + 1] };
            }
        }
        Ok(shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Splits;
    use crate::testing::TempFolder;

    fn reader(folder: &TempFolder, tokens: &[u32], bytes: u8) -> TokenReader {
        let path = folder.path().join("tokens.bin");
        let data: Vec<u8> =
            tokens.iter().flat_map(|t| t.to_le_bytes().into_iter().take(bytes as usize).collect::<Vec<u8>>()).collect();
        std::fs::write(&path, data).unwrap();
        let all = (0, tokens.len() as u64);
        TokenReader::open(&TokenData {
            path,
            bytes_per_token: bytes,
            vocabulary_size: 100,
            split: Splits { train: all, validation: (0, 0), test: (0, 0) },
        })
        .unwrap()
    }

    #[test]
    fn streams_are_contiguous_and_targets_are_the_next_tokens() {
        let folder = TempFolder::new();
        let tokens: Vec<u32> = (0..24).collect();
        for bytes in [2, 4] {
            let reader = reader(&folder, &tokens, bytes);
            // 23 inputs with a target in range 0..24: three streams of 7, two left over.
            let windows = TokenWindows::new((0, 24), 3, 4).unwrap();
            assert_eq!(windows.steps_per_epoch(), 2);
            let (mut x, mut y) = (vec![], vec![]);
            assert_eq!(windows.read(&reader, 0, &mut x, &mut y).unwrap().time, 4);
            assert_eq!(x, [0, 7, 14, 1, 8, 15, 2, 9, 16, 3, 10, 17]);
            assert_eq!(y, x.iter().map(|t| t + 1).collect::<Vec<_>>());
            assert_eq!(windows.read(&reader, 1, &mut x, &mut y).unwrap().time, 3);
            assert_eq!(x, [4, 11, 18, 5, 12, 19, 6, 13, 20]);
        }
    }

    #[test]
    fn no_target_crosses_the_range() {
        let folder = TempFolder::new();
        let tokens: Vec<u32> = (0..50).collect();
        let reader = reader(&folder, &tokens, 2);
        for (start, end, batch, time) in [(3, 20, 1, 5), (3, 20, 4, 3), (0, 2, 1, 10), (10, 50, 7, 2)] {
            let windows = TokenWindows::new((start, end), batch, time).unwrap();
            let (mut x, mut y) = (vec![], vec![]);
            for index in 0..windows.steps_per_epoch() {
                windows.read(&reader, index, &mut x, &mut y).unwrap();
                assert!(x.iter().chain(&y).all(|&t| (t as u64) >= start && (t as u64) < end), "{start}..{end}");
            }
        }
    }

    /// Whatever the lengths: every target counts once an epoch, a window begins where the carried state stands, and
    /// the gradient reaches over `reach` tokens, fewer only at the epoch's start.
    #[test]
    fn windows_that_reach_back_count_every_target_once() {
        let folder = TempFolder::new();
        let tokens: Vec<u32> = (0..60).collect();
        let reader = reader(&folder, &tokens, 2);
        for batch in [1, 3] {
            for time in 1..8 {
                for reach in 1..20 {
                    let windows = TokenWindows::new((0, 60), batch, time).unwrap().reaching(reach);
                    let (mut x, mut y) = (vec![], vec![]);
                    let (mut counted, mut state_at) = (vec![], 0);
                    for index in 0..windows.steps_per_epoch() {
                        let shape = windows.read(&reader, index, &mut x, &mut y).unwrap();
                        assert_eq!(x[0] as usize, state_at, "window {index} of {time}, {reach}");
                        let end = state_at + shape.time;
                        let again = shape.time - shape.fresh;
                        assert!(shape.time <= reach.max(time));
                        assert_eq!(again, reach.saturating_sub(time).min(end - shape.fresh));
                        let column: Vec<u32> = y.iter().step_by(batch).copied().collect();
                        assert!(column[..shape.time - shape.fresh].iter().all(|&target| target == IGNORED));
                        counted.extend_from_slice(&column[shape.time - shape.fresh..]);
                        state_at += shape.carry_after;
                    }
                    assert_eq!(counted, (1..=windows.length as u32).collect::<Vec<_>>());
                }
            }
        }
    }

    #[test]
    fn too_short_and_damaged_are_named() {
        let folder = TempFolder::new();
        assert_eq!(TokenWindows::new((0, 3), 3, 4).unwrap_err().code, "DATASET_TOO_SHORT");
        let reader = reader(&folder, &[1, 2, 300, 4], 2);
        let error = reader.copy(1, &mut [0; 3]).unwrap_err();
        assert_eq!(error.code, "DATASET_DAMAGED");
        assert!(error.location.unwrap().ends_with("token 2"));
        let path = folder.path().join("short.bin");
        std::fs::write(&path, [0u8; 5]).unwrap();
        let data = TokenData {
            path,
            bytes_per_token: 2,
            vocabulary_size: 9,
            split: Splits { train: (0, 3), validation: (0, 0), test: (0, 0) },
        };
        assert_eq!(TokenReader::open(&data).err().unwrap().code, "DATASET_DAMAGED");
    }
}
