//! CMAD: cooperative multi-agent diffusion by stochastic optimal control (paper 000).
//!
//! N pretrained models each draw an image; an aggregator makes one object Y of them; controls u^i steer all of them so
//! that the object is what a cost Psi asks for (eq. 2 and 3):
//!
//!   J = E [ sum_i lambda_i int |u^i|^2 dt + int c(Y_t, t) dt + Psi(Y_T) ]
//!   dX^i = (b^i + g u^i) dt + g dW^i,   b = -f x + g^2 score,   c = weight alpha_t Psi(Yhat_0)        (eq. 5)
//!
//! Conventions: time runs from 1 down to eps, dt > 0; |u|^2 is summed over a sample's pixels, the whole canvas of every
//! agent and not only what Y shows of it; J is the mean over the batch. Without a factor 1/2 before lambda the optimum
//! tilts the law of the object by exp(-Psi / (2 lambda)), so 1/(2 lambda), in nats per unit of cost, is reported as the
//! *tilt*. The paper's lambda is per pixel and agent, see [`Weights`].
//!
//! The files, in the order of the method: `aggregator` (phi), `control` and `reward_informed` (u), `problem` (who, what for),
//! `look_ahead` (clean estimates, the gradients that controls see, CDPS), `rollout` (the controlled loop and its costs,
//! Algorithm 3), `estimator` (its gradient), `scheme` and `training` (Algorithms 1 and 2), `teaching` (what may come before).

mod aggregator;
mod control;
mod estimator;
mod look_ahead;
mod problem;
mod reward_informed;
mod rollout;
mod scheme;
mod teaching;
#[cfg(test)]
mod tests;
mod training;
mod weights;

pub use aggregator::{Aggregator, stripe_heights};
pub use control::{Control, LinearGain, See};
pub use estimator::Estimator;
pub use problem::{Problem, Running, Steering};
pub use reward_informed::{Descent, RewardInformed, Sight, small_unet};
pub use rollout::{Costs, Draws, Moment, Pull, Rollout};
pub use scheme::{Order, Response, Scheme};
pub use teaching::{Distance, Lesson, Teaching};
pub use training::{Rates, Report, Training};
pub use weights::Weights;
