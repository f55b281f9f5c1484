//! safetensors in and out: checkpoints, carried states and traces.

use std::collections::HashMap;
use std::path::Path;

use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::error::EngineError;
use crate::spec::NamedTensor;

/// A safetensors buffer of float32 tensors.
///
/// With at most one metadata entry the bytes depend on the tensors only.
pub fn encode(tensors: &[NamedTensor<f32>], metadata: &[(&str, String)]) -> Result<Vec<u8>, EngineError> {
    let failed = |error: safetensors::SafeTensorError| {
        EngineError::new("INTERNAL", format!("tensors cannot be written: {error}"))
    };
    let views = tensors
        .iter()
        .map(|tensor| {
            let view = TensorView::new(Dtype::F32, tensor.shape.clone(), bytemuck::cast_slice(&tensor.data))
                .map_err(failed)?;
            Ok((tensor.name.as_str(), view))
        })
        .collect::<Result<Vec<_>, EngineError>>()?;
    let metadata: HashMap<String, String> =
        metadata.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
    safetensors::serialize(views, Some(metadata)).map_err(failed)
}

/// The float32 tensors of a safetensors buffer, by name in the file's order. `path` is what an error names.
///
/// Errors: `CHECKPOINT_DAMAGED`.
pub fn decode(bytes: &[u8], path: &Path) -> Result<Vec<NamedTensor<f32>>, EngineError> {
    let damaged = |reason: String| {
        EngineError::at(
            "CHECKPOINT_DAMAGED",
            path.display().to_string(),
            format!("the checkpoint's file is damaged: {reason}"),
        )
    };
    let file = SafeTensors::deserialize(bytes).map_err(|error| damaged(error.to_string()))?;
    file.iter()
        .map(|(name, view)| {
            if view.dtype() != Dtype::F32 {
                return Err(damaged(format!("tensor {name} is {:?}, not float32", view.dtype())));
            }
            let data = view
                .data()
                .chunks_exact(4)
                .map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]))
                .collect();
            Ok(NamedTensor { name: name.to_string(), shape: view.shape().to_vec(), data })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_and_names_damage() {
        let tensors = vec![
            NamedTensor { name: "a".into(), shape: vec![2, 1], data: vec![1.5f32, f32::MIN_POSITIVE] },
            NamedTensor { name: "b".into(), shape: vec![0], data: vec![] },
        ];
        let bytes = encode(&tensors, &[("format", "pt".into())]).unwrap();
        assert_eq!(bytes, encode(&tensors, &[("format", "pt".into())]).unwrap());
        let mut back = decode(&bytes, Path::new("x")).unwrap();
        back.sort_by(|a, b| a.name.cmp(&b.name));
        assert_eq!(back, tensors);
        for cut in [0, 7, 20, bytes.len() - 1] {
            assert_eq!(decode(&bytes[..cut], Path::new("x")).unwrap_err().code, "CHECKPOINT_DAMAGED");
        }
    }
}
