//! Which version serves an attention, and the grids and names of v2.

use super::operands::{Rows, Turns};
use crate::DType;
use crate::attention::Attention;
use crate::attention::geometry::Sizes;
use crate::cuda::Grid;

/// Rows that a block owns; as in `v2_forward.cu` and `v2_backward.cu`.
const OWN: usize = 64;
/// The widths that v2 is compiled for; narrower heads are padded with zeros on their way into shared memory.
const WIDTHS: [usize; 5] = [16, 32, 64, 96, 128];

/// v2 for a dtype and one of [`WIDTHS`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct V2 {
    dtype: DType,
    width: usize,
}

/// `names!("attention_v2")`: the names for bf16 and f16, of each of [`WIDTHS`].
macro_rules! names {
    ($name:literal) => {
        [names!($name, "_bf16"), names!($name, "_f16")]
    };
    ($name:literal, $dtype:literal) => {
        [
            concat!($name, $dtype, "_16"),
            concat!($name, $dtype, "_32"),
            concat!($name, $dtype, "_64"),
            concat!($name, $dtype, "_96"),
            concat!($name, $dtype, "_128"),
        ]
    };
}
pub(super) use names;

impl V2 {
    pub(super) fn name(self, names: [[&'static str; 5]; 2]) -> &'static str {
        let of_width = WIDTHS.iter().position(|&width| width == self.width).unwrap_or(0);
        names[usize::from(self.dtype == DType::F16)][of_width]
    }

    /// Rows of a tile that is walked over.
    fn tile(self) -> usize {
        if self.width <= 64 { 64 } else { 32 }
    }

    /// The grid of the forward kernel.
    pub(super) fn forward(self, sizes: &Sizes) -> Grid {
        self.grid(sizes.queries, sizes, 4 * self.tile(), 0)
    }

    /// That of a backward kernel whose blocks own queries, or keys: `rows` a sample and head.
    pub(super) fn backward(self, rows: usize, sizes: &Sizes) -> Grid {
        self.grid(rows, sizes, 2 * OWN + 4 * self.tile(), 4 * self.tile())
    }

    /// With room for rows of 16 bytes more than their width, and for `numbers` in f32.
    fn grid(self, own: usize, sizes: &Sizes, rows: usize, numbers: usize) -> Grid {
        let shared = rows * (self.width + 8) * self.dtype.size() + numbers * size_of::<f32>();
        Grid::new(own.div_ceil(OWN) * sizes.pairs(), 128).shared(shared)
    }
}

/// v2 if it serves these operands, or why it does not: v1 takes them.
pub(super) fn choose(
    p: &Attention,
    sizes: &Sizes,
    dtype: DType,
    turns: &Turns,
    rows: &[Rows],
) -> std::result::Result<V2, &'static str> {
    let widths = [sizes.width, sizes.value_width];
    let (widest, scale) = (sizes.width.max(sizes.value_width), p.scale as f32);
    match WIDTHS.into_iter().find(|&width| widest <= width) {
        _ if !matches!(dtype, DType::BF16 | DType::F16) => Err("the tensor cores take bf16 and f16"),
        None => Err("heads are wider than 128"),
        Some(_) if widths.iter().any(|&width| width == 0 || width % 8 != 0) => Err("widths are not multiples of 8"),
        Some(_) if !rows.iter().all(|rows| rows.aligned(dtype)) => Err("rows do not begin at multiples of 16 bytes"),
        Some(_) if !turns.in_packs() => Err("pairs do not come in fours"),
        Some(_) if !(scale.is_normal() && scale > 0.0) => Err("scores are compared before they are scaled"),
        Some(width) => Ok(V2 { dtype, width }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cuda::DevicePtr;
    use crate::{Dims, Layout};

    #[test]
    fn the_tensor_cores_serve_what_they_can() {
        let choice = |dtype, [width, value_width]: [usize; 2], step: usize, scale| {
            let sizes = Sizes { batch: 1, heads: 1, queries: 5, keys: 7, width, value_width };
            let layout = Layout {
                strides: Dims::new(&[99, 33, step, 1]).unwrap(),
                ..Layout::contiguous(Dims::new(&[1, 1, 5, width]).unwrap())
            };
            let rows = Rows::at("attention", &layout, DevicePtr::NULL).unwrap();
            let turns = Turns::of("attention", None, &sizes).unwrap();
            choose(&Attention { scale }, &sizes, dtype, &turns, &[rows]).map(|v2| v2.width)
        };
        assert_eq!(choice(DType::BF16, [8, 8], 8, 0.5), Ok(16));
        assert_eq!(choice(DType::F16, [40, 24], 48, 0.5), Ok(64));
        assert_eq!(choice(DType::F16, [72, 128], 72, 0.5), Ok(128));
        for (dtype, widths, step, scale, why) in [
            (DType::F32, [8, 8], 8, 0.5, "bf16 and f16"),
            (DType::BF16, [136, 8], 136, 0.5, "wider than 128"),
            (DType::BF16, [8, 6], 8, 0.5, "multiples of 8"),
            (DType::BF16, [8, 8], 12, 0.5, "16 bytes"),
            (DType::BF16, [8, 8], 8, -0.5, "before they are scaled"),
        ] {
            let got = choice(dtype, widths, step, scale).unwrap_err();
            assert!(got.contains(why), "{got}");
        }
    }
}
