//! How samples are judged: distances between distributions, tests, calibrated confidence, intervals.
//!
//! Plain f64 on the host, from features and logits that a judge has computed; small dimensions, no library.

mod bootstrap;
mod calibration;
mod chi_square;
mod eigen;
mod frechet;
mod gamma;

pub use bootstrap::{Interval, bootstrap};
pub use calibration::{Calibration, calibration_error, confidences, fit_temperature};
pub use chi_square::{ChiSquare, chi_square};
pub use eigen::{Eigen, eigen};
pub use frechet::{Moments, mean_distance};
pub use gamma::{ln_gamma, upper_gamma};
