//! Steering pretrained models: optimal control of their sampling.

pub mod cmad;
