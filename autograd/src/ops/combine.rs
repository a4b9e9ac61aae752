//! `sum_i c_i x_i` with fixed coefficients, broadcast: sums, differences, scalings, and every sampler step; given, or of a
//! table in the device's memory.

use super::{lift, with_lead};
use crate::check::{Case, case};
use crate::error::{Error, Result};
use crate::rule::{Cotangents, Linear, LinearRule, Rule, SavedVars, Saves, accumulate, record};
use crate::var::Var;
use smallvec::SmallVec;
use tensor::{Dims, Tensor};

impl Var {
    /// `sum_i c_i x_i` in one pass, operands broadcast to one shape, added in the order given. At most 8 terms.
    #[track_caller]
    pub fn combine(terms: &[(f64, &Var)]) -> Result<Var> {
        let values: SmallVec<[(f64, &Tensor); 4]> = terms.iter().map(|(c, x)| (*c, &x.value)).collect();
        let value = Tensor::combine(&values)?;
        let inputs: SmallVec<[&Var; 4]> = terms.iter().map(|(_, x)| *x).collect();
        let rule = Combine {
            rank: value.rank(),
            coefficients: terms.iter().map(|(c, _)| *c).collect(),
            shapes: inputs.iter().map(|x| x.dims()).collect(),
        };
        record(LinearRule(rule), Saves::Nothing, &inputs, value, [])
    }

    /// The same with coefficients that `table` `[terms]`, f64, holds when the work is done: a step recorded on a GPU reads
    /// them anew at every replay. The table itself has no gradient.
    #[track_caller]
    pub fn combine_by(table: &Tensor, inputs: &[&Var]) -> Result<Var> {
        let values: SmallVec<[&Tensor; 4]> = inputs.iter().map(|x| x.value()).collect();
        let value = Tensor::combine_by(table, &values)?;
        let shapes = inputs.iter().map(|x| x.dims()).collect();
        let rule = CombineBy { table: table.clone(), rank: value.rank(), shapes };
        record(rule, Saves::Nothing, inputs, value, [table.clone()])
    }

    /// `self + other`, broadcast.
    #[track_caller]
    pub fn add(&self, other: &Var) -> Result<Var> {
        Var::combine(&[(1.0, self), (1.0, other)])
    }

    /// `self - other`, broadcast.
    #[track_caller]
    pub fn sub(&self, other: &Var) -> Result<Var> {
        Var::combine(&[(1.0, self), (-1.0, other)])
    }

    /// `c self`.
    #[track_caller]
    pub fn scale(&self, c: f64) -> Result<Var> {
        Var::combine(&[(c, self)])
    }

    /// `self + c`.
    #[track_caller]
    pub fn shift(&self, c: f64) -> Result<Var> {
        let c = Tensor::full(self.device(), self.dtype(), &[], c)?;
        self.add(&Var::constant(c))
    }
}

struct Combine {
    rank: usize,
    coefficients: SmallVec<[f64; 4]>,
    shapes: SmallVec<[Dims; 4]>,
}

impl Linear for Combine {
    fn name(&self) -> &'static str {
        "combine"
    }
    fn forward(&self, tangents: &[Option<Var>], lead: Option<usize>) -> Result<Var> {
        let mut lifted: SmallVec<[(f64, Var); 4]> = SmallVec::new();
        for (i, tangent) in tangents.iter().enumerate() {
            if let Some(tangent) = tangent {
                lifted.push((self.coefficients[i], lift(tangent, self.shapes[i].len(), self.rank, lead)?));
            }
        }
        let terms: SmallVec<[(f64, &Var); 4]> = lifted.iter().map(|(c, x)| (*c, x)).collect();
        let sum = Var::combine(&terms)?;
        // Where the widest operand has no tangent, the sum of the others is still of the result's shape.
        sum.broadcast_to(&with_lead(lead, &widest(&self.shapes, self.rank)))
    }
    fn adjoint(&self, i: usize, cotangent: &Var, lead: Option<usize>) -> Result<Var> {
        cotangent.sum_to_lead(&self.shapes[i], lead)?.scaled_unless_one(self.coefficients[i])
    }
}

/// The shape that `shapes` broadcast to.
fn widest(shapes: &[Dims], rank: usize) -> SmallVec<[usize; 8]> {
    shapes.iter().fold(SmallVec::from_elem(1, rank), |mut shape, own| {
        let extra = shape.len() - own.len();
        own.iter().enumerate().for_each(|(axis, &size)| {
            if size != 1 {
                shape[axis + extra] = size;
            }
        });
        shape
    })
}

/// With coefficients of a table, which is saved for the way back.
struct CombineBy {
    table: Tensor,
    rank: usize,
    shapes: SmallVec<[Dims; 4]>,
}

impl Rule for CombineBy {
    fn name(&self) -> &'static str {
        "combine_by"
    }
    fn vjp(&self, saved: &SavedVars, cotangent: &Var, needs: &[bool]) -> Result<Cotangents> {
        let [table] = &saved.extra[..] else { return Err(Error::argument("the table was not saved")) };
        let toward = |i: usize| scaled_by(table, i, &cotangent.sum_to_lead(&self.shapes[i], saved.lead)?);
        needs.iter().enumerate().map(|(i, need)| need.then(|| toward(i)).transpose()).collect()
    }
    fn jvp(&self, saved: &SavedVars, tangents: &[Option<Var>]) -> Result<Option<Var>> {
        let mut all = None;
        for (i, tangent) in tangents.iter().enumerate() {
            if let Some(tangent) = tangent {
                let lifted = lift(tangent, self.shapes[i].len(), self.rank, saved.lead)?;
                all = accumulate(all, Some(scaled_by(&self.table, i, &lifted)?))?;
            }
        }
        let shape = with_lead(saved.lead, &widest(&self.shapes, self.rank));
        all.map(|tangent| tangent.broadcast_to(&shape)).transpose()
    }
}

/// Number `i` of `table`, times `x`.
fn scaled_by(table: &Tensor, i: usize, x: &Var) -> Result<Var> {
    Var::combine_by(&table.narrow(0, i, 1)?, &[x])
}

impl Var {
    fn scaled_unless_one(self, c: f64) -> Result<Var> {
        if c == 1.0 { Ok(self) } else { self.scale(c) }
    }
}

pub(super) fn rows() -> Vec<(&'static str, Vec<Case>)> {
    let three = |x: &[Var]| Var::combine(&[(0.5, &x[0]), (-2.0, &x[1]), (3.0, &x[2])]);
    let same: [&[usize]; 3] = [&[3, 4, 5], &[1], &[2, 7, 1, 33]];
    let mut cases: Vec<Case> = same.iter().map(|shape| case(three).inputs(&[*shape; 3]).batched(&[0, 1, 2])).collect();
    cases.push(case(three).inputs(&[&[0, 3][..]; 3]));
    cases.push(case(three).inputs(&[&[2, 3, 4, 5], &[3, 1, 1], &[]]).batched(&[0]));
    cases.push(case(three).inputs(&[&[4, 1], &[5], &[1, 5]]));
    cases.push(case(|x| x[0].add(&x[0])).inputs(&[&[17]]));
    let by_table = |x: &[Var]| {
        let c: Vec<f64> = [0.5, -2.0, 3.0][..x.len()].to_vec();
        let device = x[0].device();
        Var::combine_by(&Tensor::from_slice(device, &[c.len()], &c)?, &x.iter().collect::<Vec<_>>())
    };
    let by = vec![
        case(by_table).inputs(&[&[3, 4, 5][..]; 3]).batched(&[0, 1, 2]),
        case(by_table).inputs(&[&[2, 3, 4, 5], &[3, 1, 1], &[]]).batched(&[0]),
        case(by_table).inputs(&[&[33], &[33]]),
    ];
    vec![("combine", cases), ("combine_by", by)]
}
