//! Derivatives: reverse, forward, forward over reverse and reverse over reverse, each for one or `k` directions at once.
//!
//! A [`Var`] is a value and how it came to be. There is no tape object and no mode: "no gradient" means that the inputs
//! are constants, and then an op records nothing. Ops are defined by rules on `Var`s, so that a derivative is itself
//! differentiable. Directions travel on one extra leading axis of tangents and cotangents: `[k, B, C, H, W]` against
//! `[B, C, H, W]`. What is not offered says so: third derivatives of pointwise functions, forward over forward, and weight
//! gradients of `k` cotangents at once.

mod backward;
mod budget;
pub mod check;
pub mod error;
mod kept;
mod linearize;
mod nan_guard;
mod node;
pub mod ops;
mod rule;
mod scan;
pub mod schedule;
mod store;
mod tape;
mod var;

pub use backward::{Grad, Gradients, grad, grad_all};
pub use error::{Error, Kind, Result};
pub use linearize::{LinearMap, linearize};
pub use nan_guard::nan_guard;
pub use rule::accumulate;
pub use scan::{Memory, Scan, scan};
pub use store::Store;
pub use tensor::{DType, Device, Dims, Tensor};
pub use var::{Var, jvp};
