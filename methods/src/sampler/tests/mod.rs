//! Samplers against closed forms: exactly where the law of the result can be propagated, and by Monte Carlo.

mod laws;
mod orders;
mod runs;
mod steps;
