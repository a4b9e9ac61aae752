//! The command line's library: run folders, presets, progress, plots and reports, and the crates below for embedding.
//!
//! `main.rs` only orchestrates. A command is a struct of arguments in [`args`] and a function in [`commands`] from it to
//! a [`Summary`].
//!
//! To embed the engine, without a command line around it:
//!
//! ```
//! use consort::autograd::{Grad, Var, grad};
//! use consort::tensor::{Device, Tensor};
//!
//! let device = Device::cpu(0); // a thread on each core
//! let x = Var::leaf(Tensor::from_slice(&device, &[3], &[1.0f32, 2.0, 3.0])?);
//! let energy = x.square()?.sum()?;
//! let gradients = grad(&energy, &[&x], Grad::default())?;
//! assert_eq!(gradients.get(0)?.value().to_vec::<f32>()?, [2.0, 4.0, 6.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A checkpoint that diffusers saved is `consort::nn::load::<consort::nn::UNet2D>(folder, &device)?`, and
//! [`denoiser::load`] one that says what it was trained as.

pub mod args;
pub mod bench;
pub mod classifier;
pub mod cmad;
pub mod commands;
pub mod denoiser;
pub mod error;
pub mod exit;
mod markup;
pub mod models;
pub mod plan;
pub mod plot;
pub mod preset;
pub mod progress;
pub mod report;
pub mod run;
pub mod study;
pub mod summary;
pub mod training;

pub use autograd;
pub use data;
pub use error::{Error, Result};
pub use kernels;
pub use methods;
pub use nn;
pub use progress::Progress;
pub use run::{Record, RunFolder};
pub use summary::Summary;
pub use tensor;
