//! Random numbers as a function of (seed, purpose, step, sample, element), the same bits on every device, for any number
//! of threads, and however samples are grouped into batches.
//!
//! The definition, for whoever repeats it elsewhere:
//!
//! ```text
//! key     = seed (low word first)
//! counter = [block, sample, step, purpose],  block = element / 4, elements counted row-major within the sample
//! words   = philox4x32-10(counter, key)
//! uniform elements 4 block + 0..4 = floats::uniform of words 0..4
//! normal  elements 4 block + 0..4 = floats::normals(word 0, word 1), floats::normals(word 2, word 3)
//! ```
//!
//! The storage order of a tensor plays no part: a channels-last tensor holds the same numbers as a row-major one.

pub(crate) mod cuda;
pub mod floats;
mod philox;
#[cfg(test)]
mod tests;

use crate::cpu::{CpuContext, Kernel, Simd, team::Parts};
use crate::cuda::elementwise::{Reals, reals};
use crate::nest::Nest;
use crate::{DType, Device, Dims, KernelError, Layout, Real, Result, ViewMut};
use philox::philox;
use std::marker::PhantomData;

/// What a stream of numbers is for. Streams that differ in any field share no numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// The user's seed.
    pub seed: u64,
    /// The use within the program, one number per use.
    pub purpose: u32,
    /// The time step, iteration or epoch.
    pub step: u32,
}

/// The four words of one block: for draws on the host (labels, times, shuffles).
pub fn words(stream: &Stream, sample: u32, block: u32) -> [u32; 4] {
    philox([[block], [sample], [stream.step], [stream.purpose]], stream.seed).map(|[word]| word)
}

/// Fills `y` `[n, ..]` with uniform numbers in [0, 1). Row `r` is sample `first_sample + r`, at most 2^32 - 1.
/// f32 or f64 (drawn in f32 and widened), any strides that give every element its own place.
pub fn uniform(d: &Device, stream: &Stream, first_sample: u64, y: ViewMut) -> Result {
    fill::<Uniform>(d, stream, first_sample, y, "uniform")
}

/// Fills `y` `[n, ..]` with standard normal numbers, otherwise as [`uniform`].
pub fn normal(d: &Device, stream: &Stream, first_sample: u64, y: ViewMut) -> Result {
    fill::<Normal>(d, stream, first_sample, y, "normal")
}

/// How a block of words becomes four numbers.
trait Draw: Sync {
    /// The kernels that do so on a GPU.
    const KERNELS: Reals;
    fn draw(words: [u32; 4]) -> [f32; 4];
}

struct Uniform;
impl Draw for Uniform {
    const KERNELS: Reals = reals!("uniform");
    #[inline(always)]
    fn draw(words: [u32; 4]) -> [f32; 4] {
        words.map(floats::uniform)
    }
}

struct Normal;
impl Draw for Normal {
    const KERNELS: Reals = reals!("normal");
    #[inline(always)]
    fn draw([w0, w1, w2, w3]: [u32; 4]) -> [f32; 4] {
        let ([a, b], [c, d]) = (floats::normals(w0, w1), floats::normals(w2, w3));
        [a, b, c, d]
    }
}

fn fill<D: Draw>(d: &Device, stream: &Stream, first: u64, mut y: ViewMut, op: &'static str) -> Result {
    let layout = *y.layout();
    let Some((&samples, row)) = layout.shape.split_first() else {
        return Err(KernelError::Shape { op, what: "a scalar has no leading axis of samples".into() });
    };
    if !layout.is_injective() {
        return Err(KernelError::Order { op, what: "the result", want: "one place per element" });
    }
    let elements = row.iter().product::<usize>();
    if first.checked_add(samples as u64).is_none_or(|end| end > 1 << 32) || elements as u64 > 1 << 34 {
        let what = format!("samples {first} + {samples} of {elements} elements: at most 2^32 samples of 2^34 elements");
        return Err(KernelError::Parameter { op, what });
    }
    let own = Layout { shape: dims(row), strides: dims(&layout.strides[1..]), offset: layout.offset };
    let fill = Fill::<D> {
        stream: *stream,
        first: first as u32,
        samples,
        elements,
        step: layout.strides[0],
        // Row-major first, so that the loops visit elements in the order that numbers them.
        nest: Nest::new([&Layout::contiguous(own.shape), &own]),
        draw: PhantomData,
    };
    let cpu = match d {
        Device::Cpu(cpu) => cpu,
        Device::Cuda(gpu) => {
            let Fill { first, samples, step, nest, .. } = fill;
            return cuda::fill(gpu, op, D::KERNELS, stream, first, samples, &nest, step, y);
        }
    };
    match y.dtype() {
        DType::F32 => fill.run(cpu, y.data::<f32>(op)?),
        DType::F64 => fill.run(cpu, y.data::<f64>(op)?),
        got => return Err(KernelError::DType { op, got, want: "f32 or f64" }),
    }
    Ok(())
}

fn dims(sizes: &[usize]) -> Dims {
    let mut dims = Dims::filled(sizes.len(), 0);
    dims.copy_from_slice(sizes);
    dims
}

/// Elements of a sample that one chunk of work draws: a multiple of [`GROUP`].
const CHUNK: usize = 4096;
/// Blocks drawn side by side, and the elements they give.
const LANES: usize = 16;
const GROUP: usize = 4 * LANES;

struct Fill<D> {
    stream: Stream,
    first: u32,
    samples: usize,
    elements: usize,
    /// From sample to sample, in elements of the buffer.
    step: usize,
    /// Over one sample: the row-major element index, and the place in the buffer for the first sample.
    nest: Nest<2>,
    draw: PhantomData<D>,
}

impl<D: Draw> Fill<D> {
    fn run<T: Real>(&self, cpu: &CpuContext, y: &mut [T]) {
        let chunks = self.elements.div_ceil(CHUNK);
        let y = Parts::new(y);
        cpu.team.run(self.samples * chunks, |index| {
            let (sample, from) = (index / chunks, index % chunks * CHUNK);
            cpu.isa.run(Chunk { fill: self, sample, from, y: y.pointer() });
        });
    }
}

/// Up to [`CHUNK`] elements of one sample.
struct Chunk<'a, D, T> {
    fill: &'a Fill<D>,
    sample: usize,
    from: usize,
    y: *mut T,
}

impl<D: Draw, T: Real> Kernel for Chunk<'_, D, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Fill { elements, nest, .. } = self.fill;
        for from in (self.from..(*elements).min(self.from + CHUNK)).step_by(GROUP) {
            let numbers = self.group(from);
            self.store(nest, from, &numbers[..GROUP.min(elements - from)]);
        }
    }
}

impl<D: Draw, T: Real> Chunk<'_, D, T> {
    /// Elements `from..from + GROUP`.
    #[inline(always)]
    fn group(&self, from: usize) -> [f32; GROUP] {
        let Stream { seed, purpose, step } = self.fill.stream;
        let (block, sample) = ((from / 4) as u32, self.fill.first + self.sample as u32);
        let blocks = std::array::from_fn(|lane| block + lane as u32);
        let [w0, w1, w2, w3] = philox::<LANES>([blocks, [sample; LANES], [step; LANES], [purpose; LANES]], seed);
        let mut numbers = [0.0; GROUP];
        for lane in 0..LANES {
            numbers[4 * lane..4 * lane + 4].copy_from_slice(&D::draw([w0[lane], w1[lane], w2[lane], w3[lane]]));
        }
        numbers
    }

    /// Writes elements `from..` of the sample to their places, a run of the innermost loop at a time.
    #[inline(always)]
    fn store(&self, nest: &Nest<2>, from: usize, mut numbers: &[f32]) {
        let (length, [_, stride]) = nest.row();
        let (mut row, mut column) = (from / length, from % length);
        while !numbers.is_empty() {
            let (run, rest) = numbers.split_at(numbers.len().min(length - column));
            let at = nest.start(row)[1] + self.sample * self.fill.step + column * stride;
            for (i, &x) in run.iter().enumerate() {
                // SAFETY: an element of the layout, which lies inside the buffer; layouts that repeat a place were
                // refused, and every element belongs to one chunk.
                unsafe { *self.y.add(at + i * stride) = T::from_f64(f64::from(x)) };
            }
            (numbers, row, column) = (rest, row + 1, 0);
        }
    }
}
