//! Matrix products and convolutions against the processor's peak: each line checks against f64, then times one and two
//! threads. Arguments choose the lines that contain one of them.
//!
//! ```text
//! cargo run --release -p consort-kernels --example peaks [N64 matmul ..]
//! ```

mod convolution;
mod measure;
mod product;

use kernels::KernelError;

fn main() -> Result<(), KernelError> {
    let roofs = [measure::roof(1), measure::roof(2)];
    println!("roof: {:.0} GFLOP/s on one thread, {:.0} on two", roofs[0], roofs[1]);
    let filter: Vec<String> = std::env::args().skip(1).collect();
    let chosen = |name: &str| filter.is_empty() || filter.iter().any(|part| name.contains(part.as_str()));
    convolution::all(&roofs, &chosen)?;
    product::all(&roofs, &chosen)
}
