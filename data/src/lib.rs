//! Data sets and image files: the MNIST reader and the recipe that fetches it, PNG in and out, sheets of samples.
//!
//! Plain bytes and floats; knows nothing of tensors or models. Files come from outside and are not trusted: no reader
//! panics on any bytes or allocates what a header merely claims, and every error is one sentence with the numbers and
//! the way out.

mod error;
pub mod fetch;
pub mod grid;
pub mod idx;
pub mod mnist;
pub mod png_io;
pub mod warp;

pub use error::{Error, Result};
pub use mnist::{Mnist, Split};
