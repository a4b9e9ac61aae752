//! Who is optimised when (traps A10), on two agents that make one number together: Y = (X^1 + X^2) / 2, Psi quadratic in Y,
//! controls that see Y.
//!
//! With `u^i = a_k x^i + c_k Y + b_k` every control can be any linear function of both states. The optimum is one of the mean
//! alone, `u^1 = u^2 = c_k Y + b_k`, a problem in one number that dynamic programming solves; and because it is a minimum over
//! the processes u^1, u^2 themselves, cutting the path through the other's reaction does not move it. With a control of one
//! number, `u^i = c (Y - centre)` at all times, that path matters: the best responses settle elsewhere, at a higher J.

use super::cubature::Cubature;
use super::recursion::Scalar;
use super::{gaussian, mean, run};
use crate::control::cmad::{
    Aggregator, Control, Order, Problem, Rates, Response, Rollout, Running, Scheme, See, Training,
};
use crate::cost::Quadratic;
use crate::error::Result;
use crate::testing::{device, numbers};
use autograd::{DType, Grad, Tensor, Var, grad};
use nn::{Adam, Module, Param, Schedule, Visitor};
use std::sync::Arc;

const STEPS: usize = 8;

/// Of the mean of both agents.
const OF: Scalar = Scalar { m: 0.3, v: 0.4, weight: 2.5, centre: 1.5, lambda: 0.35, agents: 2.0, steps: STEPS };

/// `u = a x + c Y + b` with a row `[a, c, b]` for each step, or `u = c (Y - centre)` with one `[c]` for all.
struct Team {
    table: Param,
}

impl Control for Team {
    fn act(&self, see: &See) -> Result<Var> {
        let table = self.table.var();
        if table.shape() == [1, 1] {
            return Ok(see.aggregate.shift(-OF.centre)?.mul(&table.reshape(&[])?)?);
        }
        let row = table.narrow(0, see.step, 1)?;
        let [a, c, b] = [0, 1, 2].map(|column| row.narrow(1, column, 1)?.reshape(&[]));
        Ok(see.state.mul(&a?)?.add(&see.aggregate.mul(&c?)?)?.add(&b?)?)
    }
}

impl Module for Team {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        visitor.param("table", &self.table);
    }
}

struct Game {
    teams: [Arc<Team>; 2],
    training: Training,
    run: Rollout,
}

fn game(shape: [usize; 2], scheme: Scheme, adam: Adam) -> Game {
    let team = || Arc::new(Team { table: Param::new(Tensor::zeros(device(), DType::F64, &shape).unwrap()) });
    let teams = [team(), team()];
    let problem = Problem {
        // Different data, of one mean in the mean.
        agents: vec![gaussian(&[OF.m + 0.2], OF.v), gaussian(&[OF.m - 0.2], OF.v)],
        aggregator: Aggregator::masks(device(), &[vec![0.5], vec![0.5]], [1, 1]).unwrap(),
        cost: Arc::new(Quadratic { weight: OF.weight, centre: OF.centre }),
        energy_weights: vec![OF.lambda; 2],
        running: Running::Constant(0.0),
        object: [1, 1, 1],
    };
    let controls: Vec<Arc<dyn Control>> = teams.iter().map(|team| team.clone() as Arc<dyn Control>).collect();
    let training = Training::new(problem, controls, scheme, adam, None).unwrap();
    let points = Cubature { agents: 2, pixels: 1, steps: STEPS };
    Game { teams, training, run: run(STEPS, DType::F64, points, points.points()) }
}

impl Game {
    fn objective(&self) -> f64 {
        let costs = self.training.problem().watch(&self.training.steering(), &self.run, &mut |_| Ok(())).unwrap();
        mean(&costs.objective)
    }

    fn update(&mut self, rate: f64) {
        self.training.update(&self.run, Rates { control: rate, aggregator: 0.0 }).unwrap();
    }

    fn rounds(&mut self, rounds: u64, peak: f64) {
        let schedule = Schedule::Cosine { warm_up: 0, steps: rounds, floor: 1e-3 };
        for round in 0..rounds {
            (0..self.training.scheme().round(2)).for_each(|_| self.update(peak * schedule.factor(round)));
        }
    }

    /// The norms of both players' gradients: total ones, or those of best responses.
    fn slopes(&self, best: bool) -> [f64; 2] {
        [0, 1].map(|player| {
            self.teams.iter().for_each(|team| team.table.set_trainable(true));
            let run = Rollout { only: best.then_some(player), ..self.run.clone() };
            let costs = self.training.problem().rollout(&self.training.steering(), &run).unwrap();
            let slope =
                grad(&costs.objective.mean().unwrap(), &[&self.teams[player].table.var()], Grad::default()).unwrap();
            numbers(slope.get(0).unwrap()).iter().map(|x| x * x).sum::<f64>().sqrt()
        })
    }
}

fn in_turns(inner: usize, response: Response, order: Order) -> Scheme {
    Scheme::ControlWise { inner, response, order }
}

fn fast() -> Adam {
    Adam { beta2: 0.99, ..Adam::default() }
}

#[test]
fn where_controls_can_be_anything_every_scheme_reaches_the_joint_optimum() {
    let best = OF.outcome(&OF.optimum()).objective;
    let schemes = [
        Scheme::Joint,
        in_turns(2, Response::Total, Order::GaussSeidel),
        in_turns(2, Response::Best, Order::GaussSeidel),
    ];
    for scheme in schemes {
        let mut game = game([STEPS, 3], scheme, fast());
        game.rounds(if scheme == Scheme::Joint { 240 } else { 120 }, 0.1);
        assert!((game.objective() - best).abs() < 1e-4, "{}: {} of {best}", scheme.name(), game.objective());
    }
}

#[test]
fn with_the_total_gradient_no_turn_raises_j() {
    // Adam without momentum and with small steps is a descent.
    let adam = Adam { beta1: 0.0, beta2: 0.9, ..Adam::default() };
    let mut game = game([STEPS, 3], in_turns(1, Response::Total, Order::GaussSeidel), adam);
    let start = game.objective();
    let mut last = start;
    for update in 0..80 {
        game.update(0.03);
        let now = game.objective();
        assert!(now < last, "update {update}: {last} to {now}");
        last = now;
    }
    let best = OF.outcome(&OF.optimum()).objective;
    assert!(last - best < 0.25 * (start - best), "{start} {last} {best}");
}

#[test]
fn where_controls_cannot_be_anything_best_responses_settle_above_the_optimum() {
    let settled = |response| {
        let mut game = game([1, 1], in_turns(2, response, Order::GaussSeidel), fast());
        game.rounds(80, 0.1);
        game
    };
    let (total, best) = (settled(Response::Total), settled(Response::Best));
    let still = |slopes: [f64; 2]| slopes.iter().all(|slope| *slope < 2e-3);
    let steep = |slopes: [f64; 2]| slopes.iter().all(|slope| *slope > 5e-2);
    assert!(still(total.slopes(false)) && steep(total.slopes(true)));
    assert!(still(best.slopes(true)) && steep(best.slopes(false)));
    assert!(best.objective() > total.objective() + 2e-3, "{} {}", best.objective(), total.objective());
}

#[test]
fn jacobi_play_shows_nobody_a_move_before_the_round_is_over_and_overshoots() {
    let one_round = |order| {
        let mut game = game([STEPS, 3], in_turns(60, Response::Total, order), fast());
        let moved = |game: &Game| [0, 1].map(|i| numbers(&game.teams[i].table.var()).iter().any(|x| *x != 0.0));
        (0..60).for_each(|_| game.update(0.05));
        let halfway = moved(&game);
        (0..60).for_each(|_| game.update(0.05));
        assert_eq!(moved(&game), [true, true]);
        (halfway, game.objective())
    };
    let (jacobi, gauss_seidel) = (one_round(Order::Jacobi), one_round(Order::GaussSeidel));
    assert_eq!((jacobi.0, gauss_seidel.0), ([false, false], [true, false]));
    // Each aimed at the target alone: together they passed it.
    assert!(jacobi.1 > gauss_seidel.1 + 0.1, "{jacobi:?} {gauss_seidel:?}");
}
