//! Cooperative diffusion of digits from folders: the models and the problem they make (`ensemble`), trained controls
//! (`controls`), a run with what is kept of it (`play`), and how its samples are judged (`scores`) and shown (`pictures`);
//! runs side by side (`comparison`).

pub mod comparison;
pub mod controls;
pub mod ensemble;
pub mod pictures;
pub mod play;
pub mod scores;

pub use controls::{Controls, ControlsConfig};
pub use ensemble::{Ensemble, Terms};
pub use play::{Outcome, Play};
pub use scores::Scores;

/// Rows and columns of a digit.
pub const SIDE: usize = data::mnist::SIDE;
