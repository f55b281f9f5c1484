//! Native binding of the training engine.
