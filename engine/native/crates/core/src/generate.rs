//! Text from a language model: each token drawn from the distribution after the ones before.

use crate::error::EngineError;
use crate::model::Model;
use crate::rng::{Purpose, Rng};
use crate::spec::{AttentionKind, Batch, Input};

/// How tokens are drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleRequest {
    /// Empty: the first token is drawn uniformly from the vocabulary.
    pub prompt: Vec<u32>,
    pub length: usize,
    /// Divides the logits; 0 takes the most likely token.
    pub temperature: f64,
    /// Only the most likely `top_k` tokens; 0 = all.
    pub top_k: usize,
    /// Only the most likely tokens whose probabilities first reach this sum; 1 = all.
    pub top_p: f64,
    pub seed: u64,
}

/// Time steps of a prompt per forward pass.
const PROMPT_CHUNK: usize = 512;

/// How far back a token sees with attention: as far as an exported file without states is read.
const ATTENTION_REACH: usize = 1024;

/// The tokens after the prompt. The same seed gives the same tokens.
///
/// Errors: `INPUT_INVALID` for a token outside the vocabulary; those of the model.
pub fn sample(
    model: &mut Model<f32>,
    vocabulary_size: usize,
    request: &SampleRequest,
) -> Result<Vec<u32>, EngineError> {
    if let Some(token) = request.prompt.iter().find(|&&token| token as usize >= vocabulary_size) {
        return Err(EngineError::at(
            "INPUT_INVALID",
            "prompt",
            format!("token {token} is not in the vocabulary of {vocabulary_size}"),
        ));
    }
    let rng = Rng::new(request.seed, Purpose::Sample, 0);
    let mut tokens = Vec::with_capacity(request.length);
    let mut states = model.zero_states(1);
    let mut next: Vec<u32> = request.prompt.clone();
    if next.is_empty() && request.length > 0 {
        let first = (rng.uniform(u64::MAX) * vocabulary_size as f64) as u32;
        tokens.push(first);
        next.push(first);
    }
    let mut scratch = Vec::new();
    // Attention looks at states that a step leaves behind, so the whole text is read again for every token.
    let attends = model.spec().options.attention != AttentionKind::None;
    // Number of the first time step that is read again.
    let mut first = 0;
    while tokens.len() < request.length {
        let mut logits = Vec::new();
        if attends {
            states.clear();
            let dropped = next.len().saturating_sub(ATTENTION_REACH);
            next.drain(..dropped);
            first += dropped;
            states.steps = first;
        }
        for part in next.chunks(if attends { ATTENTION_REACH } else { PROMPT_CHUNK }) {
            let batch = Batch { time: part.len(), batch: 1, input: Input::Tokens(part), lengths: None };
            logits = model.forward(&batch, &mut states, None)?;
        }
        let last = &logits[logits.len() - vocabulary_size..];
        let token = draw(last, request, rng.uniform(tokens.len() as u64), &mut scratch);
        tokens.push(token);
        if !attends {
            next.clear();
        }
        next.push(token);
    }
    Ok(tokens)
}

/// One token from logits; `uniform` in [0, 1). Equal logits rank by token.
fn draw(logits: &[f32], request: &SampleRequest, uniform: f64, ranked: &mut Vec<(u32, f64)>) -> u32 {
    ranked.clear();
    ranked.extend(logits.iter().enumerate().map(|(token, &logit)| (token as u32, logit as f64)));
    ranked.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    if request.temperature <= 0.0 {
        return ranked[0].0;
    }
    if request.top_k > 0 {
        ranked.truncate(request.top_k);
    }
    let top = ranked[0].1;
    let mut total = 0.0;
    for (_, value) in ranked.iter_mut() {
        *value = ((*value - top) / request.temperature).exp();
        total += *value;
    }
    if request.top_p < 1.0 {
        let mut reached = 0.0;
        let kept = ranked.iter().position(|(_, weight)| {
            reached += weight;
            reached >= request.top_p * total
        });
        ranked.truncate(kept.map_or(ranked.len(), |place| place + 1));
        total = ranked.iter().map(|(_, weight)| weight).sum();
    }
    let mut left = uniform * total;
    for &(token, weight) in ranked.iter() {
        left -= weight;
        if left < 0.0 {
            return token;
        }
    }
    // Only rounding leads here.
    ranked[ranked.len() - 1].0
}

#[cfg(test)]
mod unit {
    use super::*;

    fn request(temperature: f64, top_k: usize, top_p: f64) -> SampleRequest {
        SampleRequest { prompt: vec![], length: 1, temperature, top_k, top_p, seed: 1 }
    }

    fn shares(request: &SampleRequest, logits: &[f32]) -> Vec<f64> {
        let n = 10_000;
        let mut counts = vec![0u32; logits.len()];
        let mut scratch = vec![];
        for i in 0..n {
            counts[draw(logits, request, (i as f64 + 0.5) / n as f64, &mut scratch) as usize] += 1;
        }
        counts.into_iter().map(|count| count as f64 / n as f64).collect()
    }

    #[test]
    fn shares_follow_the_softmax() {
        let logits = [0.0, (3.0f32).ln(), f32::NEG_INFINITY];
        let plain = shares(&request(1.0, 0, 1.0), &logits);
        assert!((plain[0] - 0.25).abs() < 1e-3 && (plain[1] - 0.75).abs() < 1e-3 && plain[2] == 0.0, "{plain:?}");
        let sharp = shares(&request(0.5, 0, 1.0), &logits);
        assert!((sharp[0] - 0.1).abs() < 1e-3, "{sharp:?}");
    }

    #[test]
    fn greedy_top_k_and_top_p_cut() {
        let logits = [(0.2f32).ln(), (0.5f32).ln(), (0.3f32).ln()];
        assert_eq!(shares(&request(0.0, 0, 1.0), &logits)[1], 1.0);
        assert_eq!(shares(&request(1.0, 1, 1.0), &logits)[1], 1.0);
        let two = shares(&request(1.0, 2, 1.0), &logits);
        assert!(two[0] == 0.0 && (two[1] - 0.625).abs() < 1e-3, "{two:?}");
        let half = shares(&request(1.0, 0, 0.6), &logits);
        assert!(half[0] == 0.0 && (half[2] - 0.375).abs() < 1e-3, "{half:?}");
    }
}
