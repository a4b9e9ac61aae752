//! The U-Net of diffusers' `UNet2DModel`: same configuration, same names, same numbers.

use crate::architecture::Architecture;
use crate::blocks::{DownBlock, MidBlock, UpBlock};
use crate::config::UNet2DConfig;
use crate::conv::Conv2d;
use crate::embedding::{TimeFeatures, TimestepEmbedding};
use crate::error::{Error, Result};
use crate::init::Init;
use crate::module::{Module, Visitor};
use crate::network::{Network, check_times};
use crate::norm::GroupNorm;
use crate::resnet::Style;
use autograd::{Tensor, Var};

/// A U-Net. Images keep channels last from `conv_in` to `conv_out`; no layer transposes.
pub struct UNet2D {
    config: UNet2DConfig,
    style: Style,
    features: TimeFeatures,
    time_embedding: TimestepEmbedding,
    conv_in: Conv2d,
    down_blocks: Vec<DownBlock>,
    mid_block: Option<MidBlock>,
    up_blocks: Vec<UpBlock>,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
}

impl UNet2D {
    /// A new network. An error for a configuration that is not offered, see [`UNet2DConfig::check`].
    pub fn new(config: UNet2DConfig, init: &mut Init) -> Result<UNet2D> {
        config.check()?;
        let style = config.style()?;
        let first = config.level(0);
        let features = TimeFeatures::new(init.device(), first, config.freq_shift, !config.flip_sin_to_cos)?;
        let time_embedding = TimestepEmbedding::new(init, first, style.embedding)?;
        let conv_in = Conv2d::same(init, config.in_channels, first)?;
        let levels = config.block_out_channels.len();
        let mut skips = vec![first];
        let mut down_blocks = Vec::with_capacity(levels);
        for (level, kind) in config.down_kinds()?.into_iter().enumerate() {
            down_blocks.push(DownBlock::new(init, &config, kind, level)?);
            let samplers = usize::from(level + 1 < levels);
            skips.extend(std::iter::repeat_n(config.level(level), config.layers_per_block + samplers));
        }
        let mid_block = config.mid_block_type.is_some().then(|| MidBlock::new(init, &config)).transpose()?;
        let mut up_blocks = Vec::with_capacity(levels);
        let mut below = config.level(levels - 1);
        for (level, kind) in (0..levels).rev().zip(config.up_kinds()?) {
            up_blocks.push(UpBlock::new(init, &config, kind, level, below, &mut skips)?);
            below = config.level(level);
        }
        let conv_norm_out = GroupNorm::new(init, style.groups, first, style.eps)?;
        let conv_out = Conv2d::same(init, first, config.out_channels)?;
        Ok(UNet2D {
            config,
            style,
            features,
            time_embedding,
            conv_in,
            down_blocks,
            mid_block,
            up_blocks,
            conv_norm_out,
            conv_out,
        })
    }

    /// From [0, 1] to [-1, 1], where the configuration says so.
    fn centred(&self, sample: &Var) -> Result<Var> {
        if !self.config.center_input_sample {
            return Ok(sample.clone());
        }
        let one = Var::constant(Tensor::full(sample.device(), sample.dtype(), &[], 1.0)?);
        Ok(Var::combine(&[(2.0, sample), (-1.0, &one)])?)
    }

    fn check_sample(&self, sample: &Var) -> Result<()> {
        let &[_, channels, height, width] = sample.shape() else {
            return Err(Error::argument(format!("a U-Net takes images [n, c, h, w], not {:?}", sample.shape())));
        };
        if channels != self.config.in_channels {
            let want = self.config.in_channels;
            return Err(Error::argument(format!(
                "the model takes images of {want} channels, not {channels}: give [n, {want}, h, w]"
            )));
        }
        let step = 1 << (self.down_blocks.len() - 1);
        if height % step != 0 || width % step != 0 {
            let what = format!(
                "images of {height}x{width}: this model halves them, so both must be multiples of {step}; pad or crop"
            );
            return Err(Error::argument(what));
        }
        Ok(())
    }
}

impl Network for UNet2D {
    /// `sample [n, in_channels, h, w]`, h and w multiples of 2 to the number of halvings: `[n, out_channels, h, w]`.
    fn forward(&self, sample: &Var, timestep: &Tensor) -> Result<Var> {
        self.check_sample(sample)?;
        check_times(sample, timestep)?;
        let features = Var::constant(self.features.forward(timestep, sample.dtype())?);
        // Every block starts with its activation of the embedding: once is enough.
        let emb = self.style.activation.forward(&self.time_embedding.forward(&features)?)?;
        let mut h = self.conv_in.forward(&self.centred(sample)?)?;
        let mut skips = vec![h.clone()];
        for block in &self.down_blocks {
            h = block.forward(h, &emb, &mut skips)?;
        }
        if let Some(block) = &self.mid_block {
            h = block.forward(&h, &emb)?;
        }
        for block in &self.up_blocks {
            h = block.forward(h, &emb, &mut skips)?;
        }
        self.conv_out.forward(&self.conv_norm_out.forward_silu(&h)?)
    }
}

impl Module for UNet2D {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        visitor.module("conv_in", &self.conv_in);
        visitor.module("time_embedding", &self.time_embedding);
        visitor.module("down_blocks", &self.down_blocks);
        visitor.module("mid_block", &self.mid_block);
        visitor.module("up_blocks", &self.up_blocks);
        visitor.module("conv_norm_out", &self.conv_norm_out);
        visitor.module("conv_out", &self.conv_out);
    }
}

impl Architecture for UNet2D {
    type Config = UNet2DConfig;
    const NAME: &'static str = "UNet2DModel";

    fn build(config: UNet2DConfig, init: &mut Init) -> Result<UNet2D> {
        UNet2D::new(config, init)
    }
    fn config(&self) -> &UNet2DConfig {
        &self.config
    }
}
