//! A loop as one differentiable op, with its memory as an argument.
//!
//! `x_{k+1} = step(x_k, k)` for `k = 0 .. steps`; the state is a list of values. Whatever [`Memory`] says, the backward
//! pass runs the same `vjp` of one step at a time, last step first, and adds the steps' gradients in that order: gradients
//! are the same bits under every choice. (One long graph would add them in another order.) Randomness inside a step must
//! be a function of `k`, because a step may run more than once.

use crate::backward::{Grad, grad_all};
use crate::budget;
use crate::error::{Error, Result};
use crate::kept::Kept;
use crate::rule::{Cotangents, Rule, SavedVars, Saves, accumulate, record};
use crate::store::Store;
use crate::tape::{IdMap, Tape};
use crate::var::Var;
use smallvec::SmallVec;
use std::sync::{Arc, Mutex};
use tensor::{Dims, Tensor};

/// What a loop keeps for its backward pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Memory {
    /// The tape of every step: no recomputation, all activations at once.
    StoreAll,
    /// The state before every step; each step runs once more, so one step's activations at a time.
    #[default]
    States,
    /// At most so many states, at least one, where they save the most: the others are made again from those. Steps run
    /// [`advances`](crate::schedule::advances) times besides the last of the first pass and the runs that are differentiated.
    Revolve {
        /// How many.
        slots: usize,
    },
    /// The fastest of those with which all that tensors of the device ask for at one time stays below so many bytes, as far
    /// as the loop and its backward pass are concerned; an error with the smallest that would do. A first step is run and
    /// reversed to see what it takes.
    Budget(usize),
}

impl Memory {
    /// How many states of a loop of `steps` are kept.
    pub fn slots(self, steps: usize) -> usize {
        match self {
            Memory::StoreAll | Memory::States | Memory::Budget(_) => steps,
            Memory::Revolve { slots } => slots.min(steps),
        }
    }
}

pub(crate) type Step = Arc<dyn Fn(&[Var], usize) -> Result<Vec<Var>> + Send + Sync>;

/// A loop's definition: see [`scan`].
#[derive(Clone, Default)]
pub struct Scan {
    /// What to keep.
    pub memory: Memory,
    /// Where the states among that are kept.
    pub store: Store,
    /// How often the step runs.
    pub steps: usize,
    /// The leaves (parameters) that the step uses besides the state. One that is used but not listed is an error.
    pub with: Vec<Var>,
}

/// Runs `step` over the state, starting from `init`, and answers the last state.
///
/// The state's values share one dtype, and keep their shapes.
pub fn scan(
    mut scan: Scan,
    init: &[Var],
    step: impl Fn(&[Var], usize) -> Result<Vec<Var>> + Send + Sync + 'static,
) -> Result<Vec<Var>> {
    if scan.memory == (Memory::Revolve { slots: 0 }) {
        return Err(Error::argument("scan: no slot for a state; give `Revolve` one at least"));
    }
    let Some(first) = init.first() else { return Err(Error::argument("scan: the state is empty")) };
    if let Some(other) = init.iter().find(|x| x.dtype() != first.dtype()) {
        let what = format!("scan: the state mixes {} and {}; cast one", first.dtype(), other.dtype());
        return Err(Error::argument(what));
    }
    if scan.with.iter().any(|var| matches!(var.origin, crate::var::Origin::Node(_))) {
        return Err(Error::argument("scan: `with` lists leaves; make computed values part of the state"));
    }
    if scan.with.iter().any(|var| var.tangent.is_some()) {
        return Err(Error::forbidden("scan", "tangents come in through the state, not through `with`"));
    }
    let shapes: Vec<Dims> = init.iter().map(Var::dims).collect();
    let wanted = init.iter().chain(&scan.with).any(Var::is_active);
    let step: Step = Arc::new(step);
    if let (Memory::Budget(budget), true) = (scan.memory, scan.steps > 0) {
        scan.memory = if wanted { budget::choose(&scan, &step, init, budget)? } else { Memory::States };
    }
    let (last, past) = forward(&scan, &step, init, wanted)?;
    let rule = Loop { scan: scan.clone(), step, shapes: shapes.clone(), past: Mutex::new(past) };
    let inputs: Vec<&Var> = init.iter().chain(&scan.with).collect();
    let packed = record(rule, Saves::Inputs, &inputs, pack(&last)?.value, [])?;
    unpack(&packed, &shapes)
}

/// What the forward pass leaves for the backward pass.
struct Past {
    states: Kept,
    /// Of every step with [`Memory::StoreAll`].
    tapes: Vec<Option<Taped>>,
}

/// A step on fresh leaves: those, and what it made of them.
pub(crate) type Taped = (Vec<Var>, Vec<Var>);

fn forward(scan: &Scan, step: &Step, init: &[Var], wanted: bool) -> Result<(Vec<Var>, Past)> {
    let mut state: Vec<Var> = init.iter().map(Var::detach).collect();
    let store = if wanted { &scan.store } else { &Store::Memory };
    let mut past = Past { states: Kept::new(scan.memory.slots(scan.steps), store)?, tapes: vec![] };
    for k in 0..scan.steps {
        let tape = (wanted && scan.memory == Memory::StoreAll).then(|| taped(scan, step, &state, k)).transpose()?;
        let next: Vec<Var> = match &tape {
            Some((_, outputs)) => outputs.iter().map(Var::detach).collect(),
            None => run(step, &state, k)?.iter().map(Var::detach).collect(),
        };
        if wanted {
            past.states.offer(k, scan.steps, &state)?;
            if k + 1 == scan.steps {
                past.states.begin_at(k, &state);
            }
            past.tapes.extend(tape.map(Some));
        }
        state = next;
    }
    Ok((state, past))
}

/// The step, with a look at what it answers.
fn run(step: &Step, state: &[Var], k: usize) -> Result<Vec<Var>> {
    let next = step(state, k)?;
    let same = next.len() == state.len()
        && next.iter().zip(state).all(|(a, b)| a.shape() == b.shape() && a.dtype() == b.dtype());
    if same {
        return Ok(next);
    }
    let shapes = |state: &[Var]| state.iter().map(|x| format!("{} {:?}", x.dtype(), x.shape())).collect::<Vec<_>>();
    Err(Error::argument(format!(
        "scan: step {k} took {:?} and gave {:?}; the state must keep its shapes",
        shapes(state),
        shapes(&next)
    )))
}

pub(crate) fn taped(scan: &Scan, step: &Step, state: &[Var], k: usize) -> Result<Taped> {
    let leaves: Vec<Var> = state.iter().map(|x| Var::leaf(x.value.clone())).collect();
    let outputs = run(step, &leaves, k)?;
    let listed: IdMap<()> = leaves.iter().chain(&scan.with).filter_map(|var| Some((var.origin.id()?, ()))).collect();
    if Tape::of(&outputs).leaves().any(|id| !listed.contains_key(&id)) {
        return Err(Error::argument(format!(
            "scan: step {k} uses a leaf that is neither in its state nor in `with`; its gradient would be lost: list it, or detach it"
        )));
    }
    Ok((leaves, outputs))
}

struct Loop {
    scan: Scan,
    step: Step,
    shapes: Vec<Dims>,
    past: Mutex<Past>,
}

impl Loop {
    /// The backward pass for one packed cotangent: gradients of the initial state, then of `with`.
    fn backward(&self, cotangent: &Tensor) -> Result<Vec<Option<Var>>> {
        let mut past = self.past.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut cotangents = unpack(&Var::constant(cotangent.clone()), &self.shapes)?;
        let mut sums: Vec<Option<Var>> = vec![None; self.scan.with.len()];
        for k in (0..self.scan.steps).rev() {
            let (leaves, outputs) = match past.tapes.get_mut(k).and_then(Option::take) {
                Some(tape) => tape,
                None => {
                    let state = past.states.state(k, |state, k| run(&self.step, state, k))?;
                    taped(&self.scan, &self.step, &state, k)?
                }
            };
            let results: Vec<(&Var, Var)> = outputs.iter().zip(cotangents).collect();
            let wrt: Vec<&Var> = leaves.iter().chain(&self.scan.with).collect();
            let mut gradients = grad_all(&results, &wrt, Grad::default())?.into_vars();
            for (sum, gradient) in sums.iter_mut().zip(gradients.drain(leaves.len()..)) {
                *sum = accumulate(sum.take(), gradient)?;
            }
            let zeros = |x: &Var| Ok(Var::constant(Tensor::zeros(x.device(), x.dtype(), x.shape())?));
            cotangents = gradients
                .into_iter()
                .zip(&leaves)
                .map(|(g, x)| g.map_or_else(|| zeros(x), Ok))
                .collect::<Result<_>>()?;
        }
        Ok(cotangents.into_iter().map(Some).chain(sums).collect())
    }

    /// The loop unrolled into one graph: every derivative that the backward pass above does not cover.
    fn unrolled(&self, init: &[Var]) -> Result<Var> {
        pack(&(0..self.scan.steps).try_fold(init.to_vec(), |state, k| run(&self.step, &state, k))?)
    }
}

impl Rule for Loop {
    fn name(&self) -> &'static str {
        "scan"
    }

    fn vjp(&self, saved: &SavedVars, cotangent: &Var, needs: &[bool]) -> Result<Cotangents> {
        let init: Vec<Var> = saved.inputs.iter().flatten().take(self.shapes.len()).cloned().collect();
        if cotangent.is_plain() && saved.inputs.iter().flatten().all(Var::is_plain) {
            return self.plain(saved.lead, &cotangent.value);
        }
        let aliases = init.iter().map(Var::alias).collect::<Result<Vec<_>>>()?;
        let result = self.unrolled(&aliases)?;
        let wrt: Vec<&Var> = aliases.iter().chain(&self.scan.with).collect();
        let create_graph = cotangent.is_active() || saved.inputs.iter().flatten().any(Var::is_active);
        let how = Grad { create_graph, ..Grad::default() };
        let gradients = grad_all(&[(&result, cotangent.clone())], &wrt, how)?.into_vars();
        Ok(gradients.into_iter().zip(needs).map(|(gradient, need)| gradient.filter(|_| *need)).collect())
    }

    fn jvp(&self, saved: &SavedVars, tangents: &[Option<Var>]) -> Result<Option<Var>> {
        let init = saved.inputs.iter().flatten().zip(tangents).take(self.shapes.len());
        let duals: Vec<Var> = init.map(|(x, dx)| x.with_tangent(dx.clone())).collect();
        Ok(self.unrolled(&duals)?.tangent().cloned())
    }
}

impl Loop {
    /// `k` cotangents are `k` backward passes.
    fn plain(&self, lead: Option<usize>, cotangent: &Tensor) -> Result<Cotangents> {
        let Some(lead) = lead else { return Ok(self.backward(cotangent)?.into_iter().collect()) };
        let rows = (0..lead).map(|k| self.backward(&cotangent.narrow(0, k, 1)?.reshape(&cotangent.shape()[1..])?));
        let rows = rows.collect::<Result<Vec<_>>>()?;
        let stack = |i: usize| -> Result<Option<Var>> {
            let column: Option<Vec<&Var>> = rows.iter().map(|row| row[i].as_ref()).collect();
            let Some(column) = column.filter(|column| !column.is_empty()) else { return Ok(None) };
            let shape = super::ops::with_lead(Some(1), column[0].shape());
            let wide = column.iter().map(|x| x.reshape(&shape)).collect::<Result<Vec<_>>>()?;
            Ok(Some(Var::concat(&wide.iter().collect::<Vec<_>>(), 0)?))
        };
        (0..self.shapes.len() + self.scan.with.len()).map(stack).collect()
    }
}

/// The state as one row of numbers, because an op has one result.
fn pack(state: &[Var]) -> Result<Var> {
    let flat = state.iter().map(|x| x.reshape(&[x.value.count()])).collect::<Result<Vec<_>>>()?;
    // A tangent may be there for some of the state only; concat fills in zeros.
    Var::concat(&flat.iter().collect::<SmallVec<[&Var; 4]>>(), 0)
}

/// The state back from the row.
fn unpack(packed: &Var, shapes: &[Dims]) -> Result<Vec<Var>> {
    let mut start = 0;
    shapes
        .iter()
        .map(|shape| {
            let part = packed.narrow(0, start, shape.count())?;
            start += shape.count();
            part.reshape(shape)
        })
        .collect()
}
