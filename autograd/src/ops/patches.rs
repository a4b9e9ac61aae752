//! Windows of a canvas, taken out and put back: linear, each the adjoint of the other. Shares are constants.

use super::only;
use crate::check::{Case, case};
use crate::error::Result;
use crate::rule::{Linear, LinearRule, Saves, record};
use crate::var::Var;
use tensor::Tensor;
use tensor::ops::patches;
pub use tensor::ops::patches::{Patches, at, grid};

impl Var {
    /// `[.., c, H, W]` to its windows `[.., windows, c, h, w]`.
    #[track_caller]
    pub fn gather_patches(&self, p: &Patches) -> Result<Var> {
        moved(self, Windows { name: "gather_patches", p: p.clone(), shares: None, put: false })
    }

    /// `[.., windows, c, h, w]` to `[.., c, H, W]`, the sum of the windows that cover each pixel.
    #[track_caller]
    pub fn scatter_patches(&self, p: &Patches) -> Result<Var> {
        moved(self, Windows { name: "scatter_patches", p: p.clone(), shares: None, put: true })
    }

    /// `[.., windows, c, h, w]` to `[.., c, H, W]`, the average of the windows that cover each pixel, by `shares` as
    /// [`Tensor::patch_shares`] makes them.
    #[track_caller]
    pub fn average_patches(&self, p: &Patches, shares: &Tensor) -> Result<Var> {
        moved(self, Windows { name: "average_patches", p: p.clone(), shares: Some(shares.clone()), put: true })
    }
}

#[track_caller]
fn moved(x: &Var, rule: Windows) -> Result<Var> {
    let value = match (&rule.shares, rule.put) {
        (None, false) => x.value.gather_patches(&rule.p)?,
        (None, true) => x.value.scatter_patches(&rule.p)?,
        (Some(shares), false) => x.value.average_patches_adjoint(&rule.p, shares)?,
        (Some(shares), true) => x.value.average_patches(&rule.p, shares)?,
    };
    record(LinearRule(rule), Saves::Nothing, &[x], value, [])
}

#[derive(Clone)]
struct Windows {
    name: &'static str,
    p: Patches,
    shares: Option<Tensor>,
    /// From windows to a canvas; else from a canvas to windows.
    put: bool,
}

impl Linear for Windows {
    fn name(&self) -> &'static str {
        self.name
    }
    fn forward(&self, tangents: &[Option<Var>], _lead: Option<usize>) -> Result<Var> {
        moved(only(tangents)?, self.clone())
    }
    fn adjoint(&self, _i: usize, cotangent: &Var, _lead: Option<usize>) -> Result<Var> {
        moved(cotangent, Windows { put: !self.put, ..self.clone() })
    }
}

pub(super) fn rows() -> Vec<(&'static str, Vec<Case>)> {
    const APART: [[usize; 2]; 4] = [[0, 0], [3, 2], [1, 2], [3, 2]];
    let apart = || patches::at([6, 5], [3, 3], &APART);
    let grid = || patches::grid([5, 7], [4, 3], [1, 3]);
    let gather = move |x: &[Var]| x[0].gather_patches(&apart()?);
    let gather_grid = move |x: &[Var]| x[0].gather_patches(&grid()?);
    let scatter = move |x: &[Var]| x[0].scatter_patches(&apart()?);
    let average = |weights: Option<&'static [f64]>| {
        move |x: &[Var]| {
            let p = grid()?;
            x[0].average_patches(&p, &Tensor::patch_shares(x[0].device(), x[0].dtype(), &p, weights)?)
        }
    };
    const TAPER: [f64; 12] = [0.5, 1.0, 0.5, 1.0, 2.0, 1.0, 1.0, 2.0, 1.0, 0.5, 1.0, 0.5];
    vec![
        (
            "gather_patches",
            vec![
                case(gather).inputs(&[&[2, 3, 6, 5]]).batched(&[0]),
                case(gather).inputs(&[&[9, 6, 5]]),
                case(gather_grid).inputs(&[&[2, 2, 3, 5, 7]]).batched(&[0]),
                case(gather).inputs(&[&[0, 3, 6, 5]]),
            ],
        ),
        (
            "scatter_patches",
            vec![
                case(scatter).inputs(&[&[2, 4, 3, 3, 3]]).batched(&[0]),
                case(scatter).inputs(&[&[4, 9, 3, 3]]),
                case(scatter).inputs(&[&[0, 4, 1, 3, 3]]),
            ],
        ),
        (
            "average_patches",
            vec![
                case(average(None)).inputs(&[&[2, 6, 3, 4, 3]]).batched(&[0]),
                case(average(Some(&TAPER))).inputs(&[&[3, 6, 2, 4, 3]]).batched(&[0]),
                case(average(Some(&TAPER))).inputs(&[&[6, 8, 4, 3]]),
            ],
        ),
    ]
}
