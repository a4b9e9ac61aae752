//! Attention: fused, and in primitives where the map itself is wanted.

use crate::check::{Case, case};
use crate::error::Result;
use crate::rule::{Fused, FusedRule, Saves, record};
use crate::var::Var;
use tensor::Tensor;
pub use tensor::ops::attention::{Attention, Rotation};
use tensor::ops::rope::Rope;

impl Var {
    /// `softmax(scale q k') v` for `q [b, h, s, e]`, `k [b, h, t, e]`, `v [b, h, t, f]`: `[b, h, s, f]`. The map of
    /// `s x t` numbers is never held, except under second derivatives and tangents.
    #[track_caller]
    pub fn attention(&self, k: &Var, v: &Var, scale: f64) -> Result<Var> {
        let p = Attention { scale };
        let (out, lse) = self.value.attention(&k.value, &v.value, &p)?;
        record(FusedRule(Flash { p }), Saves::Inputs, &[self, k, v], out.clone(), [out, lse])
    }

    /// [`Var::attention`] of queries and keys that are turned as [`Var::rope`] turns them, without turned copies. Tables
    /// are constants.
    #[track_caller]
    pub fn rotary_attention(&self, k: &Var, v: &Var, rotation: &Rotation, scale: f64) -> Result<Var> {
        let p = Attention { scale };
        let (out, lse) = self.value.rotary_attention(&k.value, &v.value, rotation, &p)?;
        let rule = FusedRule(Rotary { p, rotation: rotation.clone() });
        record(rule, Saves::Inputs, &[self, k, v], out.clone(), [out, lse])
    }

    /// [`Var::attention`] with its map `[b, h, s, t]`, whose rows sum to 1: both differentiable.
    #[track_caller]
    pub fn attention_with_map(&self, k: &Var, v: &Var, scale: f64) -> Result<(Var, Var)> {
        let map = self.matmul(&k.transpose(0, 1)?)?.scale(scale)?.softmax()?;
        Ok((map.matmul(v)?, map))
    }
}

struct Flash {
    p: Attention,
}

impl Fused for Flash {
    fn name(&self) -> &'static str {
        "attention"
    }
    fn backward(
        &self,
        inputs: &[Tensor],
        extra: &[Tensor],
        g: &Tensor,
        _needs: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        let [q, k, v] = [&inputs[0], &inputs[1], &inputs[2]];
        let gradients = Tensor::attention_backward([q, k, v], [&extra[0], &extra[1]], g, &self.p)?;
        Ok(gradients.into_iter().map(Some).collect())
    }
    fn composite(&self, inputs: &[Var]) -> Result<Var> {
        Ok(inputs[0].attention_with_map(&inputs[1], &inputs[2], self.p.scale)?.0)
    }
}

struct Rotary {
    p: Attention,
    rotation: Rotation,
}

impl Fused for Rotary {
    fn name(&self) -> &'static str {
        "rotary_attention"
    }
    fn backward(
        &self,
        inputs: &[Tensor],
        extra: &[Tensor],
        g: &Tensor,
        _needs: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        let (qkv, answer) = ([&inputs[0], &inputs[1], &inputs[2]], [&extra[0], &extra[1]]);
        let gradients = Tensor::rotary_attention_backward(qkv, &self.rotation, answer, g, &self.p)?;
        Ok(gradients.into_iter().map(Some).collect())
    }
    fn composite(&self, inputs: &[Var]) -> Result<Var> {
        let Rotation { p, q, k } = &self.rotation;
        let (q, k) = (inputs[0].rope(q, p)?, inputs[1].rope(k, p)?);
        Ok(q.attention_with_map(&k, &inputs[2], self.p.scale)?.0)
    }
}

pub(super) fn rows() -> Vec<(&'static str, Vec<Case>)> {
    let flash = |x: &[Var]| x[0].attention(&x[1], &x[2], 0.5);
    let shapes: [[&[usize]; 3]; 5] = [
        [&[2, 3, 5, 4], &[2, 3, 5, 4], &[2, 3, 5, 4]],
        [&[1, 2, 7, 8], &[1, 2, 20, 8], &[1, 2, 20, 6]],
        [&[1, 1, 1, 1], &[1, 1, 3, 1], &[1, 1, 3, 1]],
        [&[0, 2, 3, 4], &[0, 2, 3, 4], &[0, 2, 3, 4]],
        [&[1, 1, 3, 16], &[1, 1, 5, 16], &[1, 1, 5, 24]],
    ];
    let mut cases: Vec<Case> = shapes.iter().map(|shapes| case(flash).inputs(shapes).products(64)).collect();
    cases.push(case(flash).inputs(&[&[2, 2, 49, 8][..]; 3]).products(64).batched(&[0, 1, 2]));
    // Heads as they come from a linear layer: [b, s, h e] seen as [b, h, s, e].
    for (heads, width) in [(3, 4), (2, 8)] {
        let split = move |x: &[Var]| {
            let of = |x: &Var| x.reshape(&[2, 5, heads, width])?.permute(&[0, 2, 1, 3]);
            let out = of(&x[0])?.attention(&of(&x[1])?, &of(&x[2])?, 0.5)?;
            out.permute(&[0, 2, 1, 3])?.reshape(&[2, 5, heads * width])
        };
        cases.push(case(split).inputs(&[&[2, 5, heads * width][..]; 3]).products(64));
    }
    let rotary = |p: Rope| {
        move |x: &[Var]| {
            let table = |positions: usize, first: f64| {
                let count = positions * x[0].shape()[3] / 2;
                let angle = |i: usize| first + 0.7 * i as f64;
                let table = (0..count).map(|i| angle(i).cos()).chain((0..count).map(|i| angle(i).sin()));
                Tensor::from_slice(x[0].device(), &[2, positions, count / positions], &table.collect::<Vec<f64>>())
            };
            let rotation = Rotation { p, q: table(x[0].shape()[2], 0.2)?, k: table(x[1].shape()[2], 0.5)? };
            x[0].rotary_attention(&x[1], &x[2], &rotation, 0.5)
        }
    };
    let turned = |axes, interleaved, shapes: &[&[usize]; 3]| {
        case(rotary(Rope { axes, interleaved })).inputs(shapes).products(64)
    };
    let rotary = vec![
        turned(1, false, &[&[2, 3, 5, 8], &[2, 3, 5, 8], &[2, 3, 5, 8]]).batched(&[0, 1, 2]),
        turned(2, false, &[&[1, 2, 7, 16], &[1, 2, 20, 16], &[1, 2, 20, 8]]),
        turned(1, true, &[&[2, 1, 3, 6], &[2, 1, 4, 6], &[2, 1, 4, 5]]).batched(&[0, 1, 2]),
        turned(2, false, &[&[0, 2, 3, 4], &[0, 2, 3, 4], &[0, 2, 3, 4]]),
    ];
    let map = |x: &[Var]| Ok(x[0].attention_with_map(&x[1], &x[1], 0.5)?.1);
    vec![
        ("attention", cases),
        ("rotary_attention", rotary),
        ("attention_with_map", vec![case(map).inputs(&[&[2, 2, 3, 4], &[2, 2, 5, 4]]).products(64).batched(&[0, 1])]),
    ]
}
