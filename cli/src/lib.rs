//! The command line's library: run folders, presets, progress, plots and reports, and the crates below for embedding.
//!
//! `main.rs` only orchestrates. A command is a struct of arguments in [`args`] and a function in [`commands`] from it to
//! a [`Summary`].

pub mod args;
pub mod atomic;
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
