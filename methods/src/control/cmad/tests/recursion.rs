//! The linear-quadratic-Gaussian problem in one number, solved without any tensor: the controlled Euler-Maruyama chain
//! of exact Gaussian scores, its optimum by dynamic programming, and the cost of any linear control by its moments.

/// x' = slope x + offset + reach u + noise xi, at a price of `price` u^2.
struct Link {
    slope: f64,
    offset: f64,
    reach: f64,
    noise: f64,
    price: f64,
}

/// Data N(m, v) under beta from 0.1 to 20, t from 1 to 1e-3 in even steps; Psi = weight (x0 - centre)^2 of the clean estimate
/// at the end; lambda |u|^2 dt. The mean of `agents` independent such agents, when all of them play the same u.
#[derive(Clone, Copy)]
pub(super) struct Scalar {
    pub(super) m: f64,
    pub(super) v: f64,
    pub(super) weight: f64,
    pub(super) centre: f64,
    pub(super) lambda: f64,
    pub(super) agents: f64,
    pub(super) steps: usize,
}

/// What a linear control comes to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    pub(super) objective: f64,
    /// int E |u|^2 dt of one agent.
    pub(super) energy: f64,
    pub(super) mean: f64,
    pub(super) variance: f64,
}

fn schedule(t: f64) -> (f64, f64, f64) {
    let alpha = (-0.25 * t * t * 19.9 - 0.05 * t).exp();
    (0.1 + 19.9 * t, alpha, 1.0 - alpha * alpha)
}

impl Scalar {
    fn time(&self, k: usize) -> f64 {
        1.0 + (1e-3 - 1.0) * k as f64 / self.steps as f64
    }

    fn links(&self) -> Vec<Link> {
        let link = |k: usize| {
            let dt = self.time(k) - self.time(k + 1);
            let (beta, alpha, variance) = schedule(self.time(k));
            // The score of N(alpha m, alpha^2 v + sigma^2).
            let stiffness = 1.0 / (alpha * alpha * self.v + variance);
            Link {
                slope: 1.0 + (0.5 * beta - beta * stiffness) * dt,
                offset: beta * stiffness * alpha * self.m * dt,
                reach: beta.sqrt() * dt,
                noise: (beta * dt / self.agents).sqrt(),
                price: self.agents * self.lambda * dt,
            }
        };
        (0..self.steps).map(link).collect()
    }

    /// The clean estimate at the end, gain x + shift.
    fn clean(&self) -> [f64; 2] {
        let (_, alpha, variance) = schedule(self.time(self.steps));
        let gain = alpha * self.v / (alpha * alpha * self.v + variance);
        [gain, self.m * (1.0 - gain * alpha)]
    }

    /// The optimal u = a x + b of every step, `[a, b]`.
    pub(super) fn optimum(&self) -> Vec<[f64; 2]> {
        let [gain, shift] = self.clean();
        // V(x) = p x^2 + 2 q x + const.
        let (mut p, mut q) = (self.weight * gain * gain, self.weight * gain * (shift - self.centre));
        let mut gains = Vec::new();
        for Link { slope, offset, reach, price, .. } in self.links().into_iter().rev() {
            let curvature = price + reach * reach * p;
            let (a, b) = (-reach * p * slope / curvature, -reach * (p * offset + q) / curvature);
            gains.push([a, b]);
            let (slope, offset) = (slope + reach * a, offset + reach * b);
            (p, q) = (price * a * a + p * slope * slope, price * a * b + slope * (p * offset + q));
        }
        gains.reverse();
        gains
    }

    /// The cost and the law of the linear control `gains`.
    pub(super) fn outcome(&self, gains: &[[f64; 2]]) -> Outcome {
        let (_, _, start) = schedule(1.0);
        let (mut m, mut v, mut energy, mut paid) = (0.0, start / self.agents, 0.0, 0.0);
        for (k, (link, [a, b])) in self.links().iter().zip(gains).enumerate() {
            let square = (a * m + b).powi(2) + a * a * v;
            energy += (self.time(k) - self.time(k + 1)) * square;
            paid += link.price * square;
            let slope = link.slope + link.reach * a;
            (m, v) = (slope * m + link.offset + link.reach * b, slope * slope * v + link.noise * link.noise);
        }
        let [gain, shift] = self.clean();
        let (mean, variance) = (gain * m + shift, gain * gain * v);
        let objective = paid + self.weight * ((mean - self.centre).powi(2) + variance);
        Outcome { objective, energy, mean, variance }
    }
}
