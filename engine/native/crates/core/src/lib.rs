//! The engine's core: tensors, kernels, cells, layers, training. No JavaScript, no user interface.
