//! Results beside the reference, and what error is allowed.
//!
//! ```text
//! |got - want| <= 2 (eps + sqrt(terms) eps32) (|want| + size)        size = sqrt(mean want^2)
//! ```
//!
//! eps is that of the numbers a version multiplies and writes: operands are rounded on their way into a tensor core, results
//! on their way out. eps32 is that of f32, in which all sums are kept: their roundings are many and of either sign, so they
//! grow with the root of the terms. What is only moved may not differ in a bit.

use super::{Operands, Problem, Version, run};
use tensor::{DType, Device, Result, Tensor};

/// How a version's results compare.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The version that ran: a lower one where that which was asked for does not take the operands.
    pub version: Version,
    /// The largest error, in units of what is allowed: wrong above 1.
    pub error: f64,
    /// Whether no bit may differ.
    pub is_exact: bool,
    /// Where the largest error is, in words.
    pub worst: String,
}

impl Verdict {
    /// Whether all is within what is allowed.
    pub fn is_ok(&self) -> bool {
        self.error <= 1.0
    }
}

/// The results of a problem in f64 on the processor `host`.
pub fn reference(host: &Device, problem: &Problem, seed: u64) -> Result<Vec<Tensor>> {
    (problem.case.make)(&Operands::exact(host, problem.numbers, seed), problem.size)?()
}

/// Runs a version of a problem on a device, on operands drawn by the processor `host`, beside the reference's results.
pub fn verify(
    host: &Device,
    device: &Device,
    problem: &Problem,
    version: Version,
    reference: &[Tensor],
    seed: u64,
) -> Result<Verdict> {
    run::set(device, problem.numbers, version, || {
        let operands = Operands::moved(host, device, problem.numbers, seed);
        let mut run = (problem.case.make)(&operands, problem.size)?;
        let (results, version) = run::watched(device, problem, &mut run)?;
        let unit = allowed(problem);
        let mut verdict = Verdict { version, error: 0.0, is_exact: unit == 0.0, worst: String::new() };
        for (result, (got, want)) in results.iter().zip(reference).enumerate() {
            verdict.look(result, &got.to_f64()?, &want.to_f64()?, unit);
            if got.shape() != want.shape() {
                verdict.fail(format!("result {result} has shape {:?}, expected {:?}", got.shape(), want.shape()));
            }
        }
        Ok(verdict)
    })
}

/// What is allowed of an element and a typical one together.
fn allowed(problem: &Problem) -> f64 {
    match (problem.case.terms)(problem.size) {
        0 => 0.0,
        terms => 2.0 * (problem.numbers.epsilon() + (terms as f64).sqrt() * DType::F32.epsilon()),
    }
}

impl Verdict {
    fn look(&mut self, result: usize, got: &[f64], want: &[f64], unit: f64) {
        let size = (want.iter().map(|want| want * want).sum::<f64>() / want.len().max(1) as f64).sqrt();
        for (element, (got, want)) in got.iter().zip(want).enumerate() {
            let error = in_units(got - want, unit * (want.abs() + size));
            if error > self.error {
                self.error = error;
                self.worst = format!("element {element} of result {result} is {got}, expected {want}");
            }
        }
    }

    fn fail(&mut self, worst: String) {
        (self.error, self.worst) = (f64::INFINITY, worst);
    }
}

/// An error in units of what is allowed; what is no number is infinitely wrong.
fn in_units(difference: f64, allowed: f64) -> f64 {
    match difference.abs() {
        0.0 => 0.0,
        off if off.is_nan() || allowed == 0.0 => f64::INFINITY,
        off => off / allowed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_error_and_where() {
        let mut verdict = Verdict { version: Version::Cpu, error: 0.0, is_exact: false, worst: String::new() };
        verdict.look(0, &[3.0, 4.0], &[3.0, 4.0], 0.0);
        assert!(verdict.is_ok() && verdict.worst.is_empty());
        verdict.look(1, &[1.0, 1.5], &[1.0, 1.0], 0.125);
        assert_eq!((verdict.error, verdict.is_ok()), (2.0, false));
        assert_eq!(verdict.worst, "element 1 of result 1 is 1.5, expected 1");
        assert_eq!([in_units(f64::NAN, 1.0), in_units(1e-9, 0.0)], [f64::INFINITY; 2]);
    }
}
