//! What the tests of every family share: seeded data, both sides of a guard page, all paths and thread counts, and the
//! error bound of the project: `|y - y64| <= 4 sqrt(K) eps (|x| * |w|)` for sums of K products.

use crate::cpu::{CpuContext, Isa};
use crate::{Device, Dims, Layout, View, ViewMut};
use std::sync::Arc;

/// Every CPU device worth testing: each instruction-set path with 1 and 2 threads.
pub(crate) fn devices() -> impl Iterator<Item = Device> {
    Isa::available().flat_map(|isa| [1, 2].map(|threads| Device::Cpu(Arc::new(CpuContext::new(threads, isa)))))
}

/// A device's name for messages.
pub(crate) fn name(device: &Device) -> String {
    let Device::Cpu(cpu) = device else { unreachable!() };
    format!("{:?}, {} threads", cpu.isa, cpu.team.threads())
}

/// `count` numbers in [-1, 1), a function of the seed.
pub(crate) fn numbers(seed: u64, count: usize) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        })
        .collect()
}

/// The same numbers in f32.
pub(crate) fn singles(seed: u64, count: usize) -> Vec<f32> {
    numbers(seed, count).into_iter().map(|x| x as f32).collect()
}

/// A row-major layout.
pub(crate) fn row_major(sizes: &[usize]) -> Layout {
    Layout::contiguous(Dims::new(sizes).unwrap())
}

/// A channels-last layout.
pub(crate) fn channels_last(sizes: &[usize]) -> Layout {
    Layout::channels_last(Dims::new(sizes).unwrap())
}

/// Which edge of the buffer touches unmapped memory.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Edge {
    /// Reading before the start faults.
    Start,
    /// Reading past the end faults.
    End,
}

/// A copy of a slice with an unmapped page right before or right after it: a kernel that touches one byte beyond its
/// operand dies. (On other systems a plain copy.)
pub(crate) struct Guarded<T> {
    start: *mut T,
    len: usize,
    #[cfg(unix)]
    map: (*mut libc::c_void, usize),
    #[cfg(not(unix))]
    _own: Vec<T>,
}

impl<T: Copy> Guarded<T> {
    #[cfg(unix)]
    pub(crate) fn new(data: &[T], edge: Edge) -> Guarded<T> {
        const PAGE: usize = 1 << 14;
        let bytes = std::mem::size_of_val(data);
        let inner = bytes.div_ceil(PAGE).max(1) * PAGE;
        // SAFETY: a fresh anonymous mapping; the first and last page lose all rights; the data lie between them.
        unsafe {
            let (rw, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
            let map = libc::mmap(std::ptr::null_mut(), inner + 2 * PAGE, rw, flags, -1, 0);
            assert_ne!(map, libc::MAP_FAILED);
            assert_eq!(libc::mprotect(map, PAGE, libc::PROT_NONE), 0);
            assert_eq!(libc::mprotect(map.byte_add(PAGE + inner), PAGE, libc::PROT_NONE), 0);
            let skip = match edge {
                Edge::Start => 0,
                Edge::End => inner - bytes,
            };
            let start = map.byte_add(PAGE + skip).cast::<T>();
            std::ptr::copy_nonoverlapping(data.as_ptr(), start, data.len());
            Guarded { start, len: data.len(), map: (map, inner + 2 * PAGE) }
        }
    }

    #[cfg(not(unix))]
    pub(crate) fn new(data: &[T], _edge: Edge) -> Guarded<T> {
        let mut own = data.to_vec();
        Guarded { start: own.as_mut_ptr(), len: data.len(), _own: own }
    }
}

impl<T> std::ops::Deref for Guarded<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        // SAFETY: `len` initialised elements, alive as long as self.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }
}
impl<T> std::ops::DerefMut for Guarded<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.len) }
    }
}
#[cfg(unix)]
impl<T> Drop for Guarded<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `new`.
        unsafe { libc::munmap(self.map.0, self.map.1) };
    }
}

/// Shapes at which elementwise kernels go wrong: none, one, odd tails, short and long rows, more than one parallel part.
pub(crate) const SHAPES: [&[usize]; 12] = [
    &[],
    &[0],
    &[3, 0, 2],
    &[1],
    &[17],
    &[5, 3],
    &[2, 3, 4, 5],
    &[2, 5, 1, 7],
    &[257, 3],
    &[3, 1031],
    &[20_011],
    &[2, 9, 60, 41],
];

/// Layouts of one shape: row-major, channels last, reversed, and slices of larger tensors.
pub(crate) fn layouts(sizes: &[usize]) -> Vec<Layout> {
    let shape = Dims::new(sizes).unwrap();
    let reversed: Vec<usize> = (0..sizes.len()).rev().collect();
    let mut larger = shape;
    larger.iter_mut().for_each(|size| *size += 1);
    let inside = |layout: Layout| Layout { shape, ..layout };
    let mut every_third = Layout::contiguous(shape);
    every_third.strides.iter_mut().for_each(|stride| *stride *= 3);
    vec![
        Layout::contiguous(shape),
        Layout::channels_last(shape),
        Layout::in_order(shape, &reversed),
        inside(Layout::contiguous(larger)),
        inside(Layout::channels_last(larger)),
        every_third,
    ]
}

/// The layouts above, and repeats of one row, one column, one channel and one number.
pub(crate) fn input_layouts(sizes: &[usize]) -> Vec<Layout> {
    let (shape, mut all) = (Dims::new(sizes).unwrap(), layouts(sizes));
    for kept in 0..sizes.len() {
        let mut one = Dims::filled(sizes.len(), 1);
        one[kept] = sizes[kept];
        all.extend(Layout::contiguous(one).broadcast(shape));
    }
    all.extend(Layout::contiguous(Dims::filled(0, 1)).broadcast(shape));
    all
}

/// Where a layout puts its elements, in row-major order of the shape.
pub(crate) fn places(layout: &Layout) -> Vec<usize> {
    let mut places = vec![layout.offset];
    for (&size, &stride) in layout.shape.iter().zip(layout.strides.iter()) {
        places = places.into_iter().flat_map(|at| (0..size).map(move |i| at + i * stride)).collect();
    }
    places
}

/// Runs an op that turns `[.., from]` pixels linearly into `[.., to]`, in f32 and f64 on every device, over leading axes and
/// layouts, and compares it with the matrix whose entry at (pixel of `to`, pixel of `from`) is given, in f64. One
/// instruction-set path gives one set of bits.
pub(crate) fn windows(
    from: [usize; 2],
    to: [usize; 2],
    op: impl Fn(&Device, View, ViewMut) -> crate::Result,
    matrix: impl Fn([usize; 2], [usize; 2]) -> f64,
) {
    let pixels = |size: [usize; 2]| (0..size[0] * size[1]).map(move |i| [i / size[1], i % size[1]]);
    let entries = |to: [usize; 2]| {
        let row = pixels(from).enumerate().map(move |(k, from)| (k, to, from));
        row.map(|(k, to, from)| (k, matrix(to, from))).filter(|entry| entry.1 != 0.0).collect::<Vec<_>>()
    };
    let rows: Vec<Vec<(usize, f64)>> = pixels(to).map(entries).collect();
    let devices: Vec<Device> = devices().collect();
    for lead in [&[][..], &[0], &[3], &[2, 3], &[1, 17], &[2, 1, 5]] {
        let size = |pixels: [usize; 2]| [lead, &pixels].concat();
        for (x, y) in layouts(&size(from)).into_iter().zip(layouts(&size(to)).into_iter().cycle().skip(lead.len())) {
            windows_at::<f32>(&devices, &x, &y, &op, &rows, from[0] * from[1]);
            windows_at::<f64>(&devices[..2], &x, &y, &op, &rows, from[0] * from[1]);
        }
    }
}

fn windows_at<T: crate::Real>(
    devices: &[Device],
    from: &Layout,
    to: &Layout,
    op: &dyn Fn(&Device, View, ViewMut) -> crate::Result,
    rows: &[Vec<(usize, f64)>],
    plane: usize,
) {
    let x: Vec<T> = singles(11, from.end()).into_iter().map(|x| T::from_f64(f64::from(x))).collect();
    let eps = if T::DTYPE == crate::DType::F32 { f64::from(f32::EPSILON) } else { f64::EPSILON };
    let (xs, ys) = (places(from), places(to));
    let mut bits: Option<(crate::cpu::Isa, Vec<T>)> = None;
    for (device, edge) in devices.iter().flat_map(|device| [(device, Edge::Start), (device, Edge::End)]) {
        let x = Guarded::new(&x, edge);
        let mut y = Guarded::new(&vec![T::from_f64(0.5); to.end()], edge);
        op(device, View::of(&x, *from).unwrap(), ViewMut::of(&mut y, *to).unwrap()).unwrap();
        for (i, &place) in ys.iter().enumerate() {
            let start = i / rows.len() * plane;
            let terms = rows[i % rows.len()].iter().map(|(k, weight)| weight * x[xs[start + k]].to_f64());
            let (want, size) = terms.fold((0.0, 0.0), |(sum, size), term| (sum + term, size + term.abs()));
            let (got, allowed) = (y[place].to_f64(), 4.0 * (rows[i % rows.len()].len() as f64).sqrt() * eps * size);
            assert!((got - want).abs() <= allowed, "{}: {from:?} to {to:?} at {i}: {got}, {want}", name(device));
        }
        let Device::Cpu(cpu) = device else { unreachable!() };
        match &bits {
            Some((isa, first)) if *isa == cpu.isa => assert!(first[..] == y[..], "{}: bits", name(device)),
            _ => bits = Some((cpu.isa, y.to_vec())),
        }
    }
}

/// What [`elementwise`] runs, and whether what it got is close to what is wanted.
type Op<'a> = &'a dyn Fn(&Device, &[View], ViewMut) -> crate::Result;
type Close<'a> = &'a dyn Fn(f64, f64, &[f64], f64) -> bool;

/// Runs an elementwise op of `inputs` operands in f32 and f64 on every device, at both edges of a guard page, over shapes
/// and layouts, and compares each element with `want(inputs, old y)` in f64: `close(got, want, inputs, eps)` decides.
/// Also: one instruction-set path gives one set of bits, whatever threads and layouts.
pub(crate) fn elementwise(
    inputs: usize,
    data: impl Fn(u64, usize) -> Vec<f32>,
    op: impl Fn(&Device, &[View], ViewMut) -> crate::Result,
    want: impl Fn(&[f64], f64) -> f64,
    close: impl Fn(f64, f64, &[f64], f64) -> bool,
) {
    let devices: Vec<Device> = devices().collect();
    for sizes in SHAPES {
        let xs = input_layouts(sizes);
        for round in 0..xs.len() {
            let layouts: Vec<Layout> = (0..inputs).map(|i| xs[(round + i * (round / 3)) % xs.len()]).collect();
            for y in layouts_around(sizes, round) {
                elementwise_at::<f32>(&devices, &layouts, &y, &data, &op, &want, &close);
                elementwise_at::<f64>(&devices[..2], &layouts, &y, &data, &op, &want, &close);
            }
        }
    }
}

/// Two of the result layouts, changing with the round.
fn layouts_around(sizes: &[usize], round: usize) -> [Layout; 2] {
    let all = layouts(sizes);
    [all[round % all.len()], all[(round / 2) % all.len()]]
}

fn elementwise_at<T: crate::Real>(
    devices: &[Device],
    layouts: &[Layout],
    y: &Layout,
    data: &dyn Fn(u64, usize) -> Vec<f32>,
    op: Op,
    want: &dyn Fn(&[f64], f64) -> f64,
    close: Close,
) {
    let fill = |seed: usize, count| -> Vec<T> {
        data(seed as u64, count).into_iter().map(|x| T::from_f64(f64::from(x))).collect()
    };
    let xs: Vec<Vec<T>> = layouts.iter().enumerate().map(|(seed, layout)| fill(seed + 1, layout.end())).collect();
    let old = fill(99, y.end());
    let (at, from) = (places(y), layouts.iter().map(places).collect::<Vec<_>>());
    let mut bits: Option<(crate::cpu::Isa, Vec<T>)> = None;
    for (device, edge) in devices.iter().flat_map(|device| [(device, Edge::Start), (device, Edge::End)]) {
        let guarded: Vec<Guarded<T>> = xs.iter().map(|x| Guarded::new(x, edge)).collect();
        let views: Vec<View> = guarded.iter().zip(layouts).map(|(x, layout)| View::of(x, *layout).unwrap()).collect();
        let mut result = Guarded::new(&old, edge);
        op(device, &views, ViewMut::of(&mut result, *y).unwrap()).unwrap();
        let eps = if T::DTYPE == crate::DType::F32 { f32::EPSILON as f64 } else { f64::EPSILON };
        for (i, &place) in at.iter().enumerate() {
            let inputs: Vec<f64> = (0..xs.len()).map(|k| xs[k][from[k][i]].to_f64()).collect();
            let (got, want) = (result[place].to_f64(), want(&inputs, old[place].to_f64()));
            let fits = close(got, want, &inputs, eps);
            assert!(fits, "{}, {y:?}: f({inputs:?}) = {got}, expected {want}", name(device));
        }
        let mut untouched = vec![true; old.len()];
        at.iter().for_each(|&place| untouched[place] = false);
        let kept = |i: usize| !untouched[i] || result[i] == old[i];
        assert!((0..old.len()).all(kept), "{}: wrote between the elements of {y:?}", name(device));
        let Device::Cpu(cpu) = device else { unreachable!() };
        match &bits {
            Some((isa, first)) if *isa == cpu.isa => assert!(result[..] == first[..], "{}: bits", name(device)),
            _ => bits = Some((cpu.isa, result.to_vec())),
        }
    }
}
