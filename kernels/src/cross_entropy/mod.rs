//! Cross-entropy of logits against integer labels, per sample: `loss = ln sum exp(x) - x[label]`.
//!
//! Logits are row-major `[rows, k]` (or any rank; the last axis are the classes), labels i64 `[rows]`, the loss `[rows]`,
//! not averaged. A label outside `0..k` is an error that names the row (on a GPU, where looking would mean waiting, its row
//! is NaN); no label means "ignore".

pub(crate) mod cuda;
pub mod reference;
mod simd;
#[cfg(test)]
mod tests;

use crate::cpu::team::Parts;
use crate::rows::{Rows, shaped};
use crate::{Cost, DType, Device, KernelError, Layout, Result, View, ViewMut};

/// `loss = ln sum exp(logits) - logits[label]`.
pub fn forward(d: &Device, logits: View, labels: View, mut loss: ViewMut) -> Result {
    const OP: &str = "cross_entropy";
    let rows = Rows::of(OP, "logits", logits.layout())?;
    per_row(OP, "labels", &logits, labels.layout())?;
    per_row(OP, "loss", &logits, loss.layout())?;
    let cpu = match d {
        Device::Cpu(cpu) => cpu,
        Device::Cuda(gpu) => return cuda::forward(gpu, OP, rows, logits, labels, loss),
    };
    let (labels, width) = (classes(OP, &logits, &labels)?, rows.width);
    match logits.dtype() {
        DType::F32 => {
            let (x, loss) = (logits.dense::<f32>(OP)?, Parts::new(loss.dense::<f32>(OP)?));
            cpu.team.share(rows.count, forward_cost(logits.layout()).flops, |range| {
                // SAFETY: ranges of rows do not overlap.
                let loss = unsafe { loss.part(range.clone()) };
                let x = &x[range.start * width..range.end * width];
                cpu.isa.run(simd::Forward { width, x, labels: &labels[range], loss });
            });
        }
        DType::F64 => reference::forward::<f64>(width, logits.dense(OP)?, labels, loss.dense(OP)?),
        got => return Err(KernelError::DType { op: OP, got, want: "f32 or f64" }),
    }
    Ok(())
}

/// `dlogits = g (softmax(logits) - onehot(label))`; g: `[rows]`, the cotangent of the loss.
pub fn backward(d: &Device, logits: View, labels: View, g: View, mut dlogits: ViewMut) -> Result {
    const OP: &str = "cross_entropy backward";
    let rows = Rows::of(OP, "logits", logits.layout())?;
    per_row(OP, "labels", &logits, labels.layout())?;
    per_row(OP, "g", &logits, g.layout())?;
    shaped(OP, "dlogits", dlogits.layout(), &logits.layout().shape)?;
    Rows::of(OP, "dlogits", dlogits.layout())?;
    let cpu = match d {
        Device::Cpu(cpu) => cpu,
        Device::Cuda(gpu) => return cuda::backward(gpu, OP, rows, logits, labels, g, dlogits),
    };
    let (labels, width) = (classes(OP, &logits, &labels)?, rows.width);
    match logits.dtype() {
        DType::F32 => {
            let (x, g) = (logits.dense::<f32>(OP)?, g.dense::<f32>(OP)?);
            let dx = Parts::new(dlogits.dense::<f32>(OP)?);
            cpu.team.share(rows.count, backward_cost(logits.layout()).flops, |range| {
                let at = range.start * width..range.end * width;
                // SAFETY: ranges of rows do not overlap.
                let dx = unsafe { dx.part(at.clone()) };
                cpu.isa.run(simd::Backward { width, x: &x[at], labels: &labels[range.clone()], g: &g[range], dx });
            });
        }
        DType::F64 => reference::backward::<f64>(width, logits.dense(OP)?, labels, g.dense(OP)?, dlogits.dense(OP)?),
        got => return Err(KernelError::DType { op: OP, got, want: "f32 or f64" }),
    }
    Ok(())
}

/// The labels; each is a class.
fn classes<'a>(op: &'static str, logits: &View, labels: &View<'a>) -> Result<&'a [i64]> {
    let labels = labels.dense::<i64>(op)?;
    let classes = logits.layout().shape.last().map_or(0, |&k| k as i64);
    match labels.iter().position(|label| !(0..classes).contains(label)) {
        None => Ok(labels),
        Some(row) => {
            let what =
                format!("label {} of row {row} is not a class: the logits have {classes} (0..{classes})", labels[row]);
            Err(KernelError::Parameter { op, what })
        }
    }
}

/// An error unless `layout` has one element for every row of the logits, in their order.
fn per_row(op: &'static str, what: &'static str, logits: &View, layout: &Layout) -> Result {
    let shape = &logits.layout().shape;
    shaped(op, what, layout, &shape[..shape.len() - 1])?;
    if layout.is_contiguous() { Ok(()) } else { Err(KernelError::Order { op, what, want: "row-major" }) }
}

/// Maximum, difference, exponential (counted one) and sum; the logits once.
pub fn forward_cost(logits: &Layout) -> Cost {
    Cost { flops: 4 * logits.count() as u64, bytes: 4 * logits.count() as u64 }
}

/// The forward's work and a product; logits and dlogits once.
pub fn backward_cost(logits: &Layout) -> Cost {
    Cost { flops: 5 * logits.count() as u64, bytes: 8 * logits.count() as u64 }
}
