//! Agents' states to one object, `Y = phi(X^1, .., X^N; theta)` (paper 000, eq. 4 and appendix C.1).
//!
//! Every aggregator here is linear in the states, `Y = M X = sum_i M_i X_i`. Where every pixel has one owner (stripes, masks
//! of 0 and 1, stacking), M selects, and `M M' = I`.

use crate::cost::SeamMap;
use crate::error::{Error, Result};
use autograd::{DType, Device, Tensor, Var};
use nn::{Module, Param, Visitor};

/// How the object is put together.
#[derive(Clone)]
pub enum Aggregator {
    /// Agent i's state, of the object's size, times its mask `[1, h, w]`; masks add up to 1 everywhere.
    Masks {
        /// One mask an agent.
        masks: Vec<Tensor>,
    },
    /// Agents of different size, one under the other: agent i's state has `heights[i]` rows.
    Stack {
        /// Rows of each agent.
        heights: Vec<usize>,
    },
    /// Masks `softmax_i(theta)` over the agents, learned with the controls. Nothing in J forbids that one agent takes
    /// all: see [`Aggregator::imbalance`].
    Learned {
        /// theta, `[agents, 1, h, w]`.
        logits: Param,
    },
}

impl Aggregator {
    /// Horizontal stripes of nearly equal height, the taller ones on top: 28 rows are 14 + 14, or 10 + 9 + 9.
    pub fn stripes(device: &Device, agents: usize, [height, width]: [usize; 2]) -> Result<Aggregator> {
        let mut start = 0;
        let masks = stripe_heights(agents, height)?.into_iter().map(|rows| {
            let mut data = vec![0.0f32; height * width];
            data[start * width..(start + rows) * width].fill(1.0);
            start += rows;
            Ok(Tensor::from_slice(device, &[1, height, width], &data)?)
        });
        Ok(Aggregator::Masks { masks: masks.collect::<Result<_>>()? })
    }

    /// The stripes' own pixels as agents: agent i knows its rows only.
    pub fn stacked_stripes(agents: usize, height: usize) -> Result<Aggregator> {
        Ok(Aggregator::Stack { heights: stripe_heights(agents, height)? })
    }

    /// Masks given as weights, row-major; at every pixel they must be at least 0 and add up to 1.
    pub fn masks(device: &Device, masks: &[Vec<f32>], [height, width]: [usize; 2]) -> Result<Aggregator> {
        if masks.is_empty() || masks.iter().any(|mask| mask.len() != height * width) {
            let sizes: Vec<usize> = masks.iter().map(Vec::len).collect();
            return Err(Error::argument(format!(
                "masks of {sizes:?} pixels do not fit an object of {height} x {width}"
            )));
        }
        for pixel in 0..height * width {
            let sum: f32 = masks.iter().map(|mask| mask[pixel]).sum();
            let shared = (sum - 1.0).abs() <= 1e-3 && masks.iter().all(|mask| mask[pixel] >= 0.0);
            if !shared {
                let (row, column) = (pixel / width, pixel % width);
                return Err(Error::argument(format!(
                    "masks: at row {row}, column {column} the weights add up to {sum}, or one is below 0; the agents' shares of a pixel add up to 1"
                )));
            }
        }
        let masks = masks.iter().map(|mask| Ok(Tensor::from_slice(device, &[1, height, width], mask)?));
        Ok(Aggregator::Masks { masks: masks.collect::<Result<_>>()? })
    }

    /// Learned masks that start as `start`'s, softened: a mask of 1 has the logit `sharpness`, one of 0 the logit 0.
    pub fn learned(start: &Aggregator, sharpness: f64) -> Result<Aggregator> {
        let Aggregator::Masks { masks } = start else {
            return Err(Error::argument("a learned aggregator starts from masks"));
        };
        let all = Tensor::concat(&masks.iter().collect::<Vec<_>>(), 0)?.scale(sharpness)?;
        let &[agents, height, width] = all.shape() else {
            return Err(Error::argument(format!("masks are [1, h, w], not {:?}", masks[0].shape())));
        };
        Ok(Aggregator::Learned { logits: Param::new(all.reshape(&[agents, 1, height, width])?) })
    }

    /// Number of agents.
    pub fn agents(&self) -> usize {
        match self {
            Aggregator::Masks { masks } => masks.len(),
            Aggregator::Stack { heights } => heights.len(),
            Aggregator::Learned { logits } => logits.shape()[0],
        }
    }

    /// The shape `[c, h, w]` of agent i's state, for an object `[c, h, w]`.
    pub fn canvas(&self, i: usize, [channels, height, width]: [usize; 3]) -> [usize; 3] {
        match self {
            Aggregator::Stack { heights } => [channels, heights[i], width],
            _ => [channels, height, width],
        }
    }

    /// Whether objects `[c, h, w]` can be put together so.
    pub fn check(&self, [_, height, width]: [usize; 3]) -> Result<()> {
        let own = match self {
            Aggregator::Masks { masks } => masks.iter().map(|mask| mask.shape().to_vec()).collect(),
            Aggregator::Stack { heights } => vec![vec![1, heights.iter().sum(), width]],
            Aggregator::Learned { logits } => vec![logits.shape()[1..].to_vec()],
        };
        match own.iter().find(|shape| **shape != [1, height, width]) {
            None => Ok(()),
            Some(shape) => Err(Error::argument(format!(
                "an aggregator of shape {shape:?} does not make objects of {height} x {width}"
            ))),
        }
    }

    /// `Y` from all states `[n, c, h_i, w]`: `[n, c, h, w]`.
    pub fn aggregate(&self, states: &[Var]) -> Result<Var> {
        if states.is_empty() || states.len() != self.agents() {
            return Err(Error::argument(format!(
                "an aggregator of {} agents was given {} states",
                self.agents(),
                states.len()
            )));
        }
        if let Aggregator::Stack { .. } = self {
            return Ok(Var::concat(&states.iter().collect::<Vec<_>>(), 2)?);
        }
        let mut parts = states.iter().zip(self.weights(states[0].dtype())?).map(|(state, mask)| state.mul(&mask));
        let first = parts.next().transpose()?.unwrap_or_else(|| states[0].clone());
        parts.try_fold(first, |sum, part| Ok(sum.add(&part?)?))
    }

    /// `M_i' y` for every agent: what of a direction of the object is agent i's, zero elsewhere on its canvas.
    pub fn shares(&self, y: &Var) -> Result<Vec<Var>> {
        match self {
            Aggregator::Stack { .. } => (0..self.agents()).map(|i| self.in_view(i, y)).collect(),
            _ => self.weights(y.dtype())?.iter().map(|mask| Ok(y.mul(mask)?)).collect(),
        }
    }

    /// As much of the object as goes on agent i's canvas: all of it, or the rows of a stacked agent.
    pub fn in_view(&self, i: usize, y: &Var) -> Result<Var> {
        match self {
            Aggregator::Stack { heights } => Ok(y.narrow(2, heights[..i].iter().sum(), heights[i])?),
            _ => Ok(y.clone()),
        }
    }

    /// The masks `[1, h, w]` as they enter the sum; none for a stack.
    fn weights(&self, dtype: DType) -> Result<Vec<Var>> {
        match self {
            Aggregator::Masks { masks } => masks.iter().map(|mask| Ok(Var::constant(mask.cast(dtype)?))).collect(),
            Aggregator::Stack { .. } => Ok(vec![]),
            Aggregator::Learned { logits } => {
                // Softmax over the agents: their axis last.
                let soft = logits.var().permute(&[1, 2, 3, 0])?.softmax()?.permute(&[3, 0, 1, 2])?.cast(dtype)?;
                let shape = soft.shape()[1..].to_vec();
                (0..self.agents()).map(|i| Ok(soft.narrow(0, i, 1)?.reshape(&shape)?)).collect()
            }
        }
    }

    /// `sum_i (area_i - 1/N)^2` of learned masks, a number: 0 where all agents own as much.
    pub fn imbalance(&self) -> Result<Option<Var>> {
        let Aggregator::Learned { logits } = self else { return Ok(None) };
        let equal = 1.0 / self.agents() as f64;
        let masks = self.weights(logits.value().dtype())?;
        let term = |mask: &Var| -> Result<Var> { Ok(mask.mean()?.shift(-equal)?.square()?) };
        let mut terms = masks.iter().map(term);
        let Some(first) = terms.next().transpose()? else { return Ok(None) };
        Ok(Some(terms.try_fold(first, |sum, term| Result::Ok(sum.add(&term?)?))?))
    }

    /// Who owns each pixel of an object of `size`, row-major: the largest mask, the first of equals.
    pub fn owners(&self, [height, width]: [usize; 2]) -> Result<Vec<usize>> {
        self.check([1, height, width])?;
        if let Aggregator::Stack { heights } = self {
            return Ok(heights.iter().enumerate().flat_map(|(i, &rows)| vec![i; rows * width]).collect());
        }
        let masks = self.weights(DType::F32)?;
        let masks = masks.iter().map(|mask| Ok(mask.value().to_f64()?)).collect::<Result<Vec<Vec<f64>>>>()?;
        let owner = |pixel: usize| {
            (1..masks.len()).fold(0, |best, i| if masks[i][pixel] > masks[best][pixel] { i } else { best })
        };
        Ok((0..height * width).map(owner).collect())
    }

    /// The seams between the agents' regions.
    pub fn seams(&self, size: [usize; 2]) -> Result<SeamMap> {
        SeamMap::between(&self.owners(size)?, size)
    }
}

/// theta, where there is one.
impl Module for Aggregator {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        if let Aggregator::Learned { logits } = self {
            visitor.param("logits", logits);
        }
    }
}

/// Rows of each of `agents` stripes of nearly equal height, the taller ones on top.
pub fn stripe_heights(agents: usize, height: usize) -> Result<Vec<usize>> {
    if agents == 0 || agents > height {
        return Err(Error::argument(format!("{agents} agents cannot share {height} rows; between 1 and {height} can")));
    }
    Ok((0..agents).map(|i| height / agents + usize::from(i < height % agents)).collect())
}
