//! The blocks of a U-Net: the way down, the middle, the way up. Names as in diffusers.

use crate::attention::Attention;
use crate::config::{BlockKind, UNet2DConfig};
use crate::conv::Conv2d;
use crate::error::{Error, Result};
use crate::init::Init;
use crate::module::{Module, Visitor};
use crate::norm::GroupNorm;
use crate::resample::doubled;
use crate::resnet::{Resample, ResnetBlock, Style};
use autograd::Var;
use autograd::ops::conv::Conv;

/// Halves or doubles the image.
enum Sampler {
    /// After doubling, where that is what it does.
    Conv(Conv2d),
    Resnet(Box<ResnetBlock>),
}

impl Module for Sampler {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        match self {
            Sampler::Conv(conv) => visitor.module("conv", conv),
            Sampler::Resnet(resnet) => resnet.visit(visitor),
        }
    }
}

/// Residual blocks, each followed by attention in blocks that have it.
struct Layers {
    resnets: Vec<ResnetBlock>,
    attentions: Vec<Attention>,
}

impl Layers {
    /// One layer for each of `inputs`, from that many channels to `outputs`.
    fn new(
        init: &mut Init,
        config: &UNet2DConfig,
        inputs: &[usize],
        outputs: usize,
        attention: bool,
    ) -> Result<Layers> {
        let style = config.style()?;
        let mut layers = Layers { resnets: vec![], attentions: vec![] };
        for &inputs in inputs {
            layers.resnets.push(ResnetBlock::new(init, style, inputs, outputs, Resample::Keep, 1.0)?);
            if attention {
                let norm = GroupNorm::new(init, style.groups, outputs, style.eps)?;
                let head = config.attention_head_dim.unwrap_or(outputs);
                layers.attentions.push(Attention::new(init, outputs, head, Some(norm), 1.0)?);
            }
        }
        Ok(layers)
    }

    fn forward(&self, i: usize, x: &Var, emb: &Var) -> Result<Var> {
        let h = self.resnets[i].forward(x, emb)?;
        self.attentions.get(i).map_or_else(|| Ok(h.clone()), |attention| attention.forward(&h))
    }
}

/// A level of the way down.
pub(crate) struct DownBlock {
    layers: Layers,
    downsampler: Option<Sampler>,
}

impl DownBlock {
    pub(crate) fn new(init: &mut Init, config: &UNet2DConfig, kind: BlockKind, level: usize) -> Result<DownBlock> {
        let outputs = config.level(level);
        let mut inputs = vec![outputs; config.layers_per_block];
        inputs[0] = config.level(level.saturating_sub(1));
        let layers = Layers::new(init, config, &inputs, outputs, kind.attention)?;
        let last = level + 1 == config.block_out_channels.len();
        let downsampler = (!last).then(|| {
            Ok::<_, Error>(if kind.resnet_sampler {
                Sampler::Resnet(Box::new(ResnetBlock::new(
                    init,
                    config.style()?,
                    outputs,
                    outputs,
                    Resample::Halve,
                    1.0,
                )?))
            } else {
                // Without padding, diffusers adds a row and a column at the bottom and at the right.
                let padding =
                    if config.downsample_padding == 0 { [[0, 1]; 2] } else { [[config.downsample_padding; 2]; 2] };
                Sampler::Conv(Conv2d::new(
                    init,
                    outputs,
                    outputs,
                    3,
                    Conv { stride: [2; 2], padding, ..Conv::default() },
                )?)
            })
        });
        Ok(DownBlock { layers, downsampler: downsampler.transpose()? })
    }

    /// Every layer's result, and the downsampler's, are also put on `skips`.
    pub(crate) fn forward(&self, mut h: Var, emb: &Var, skips: &mut Vec<Var>) -> Result<Var> {
        for i in 0..self.layers.resnets.len() {
            h = self.layers.forward(i, &h, emb)?;
            skips.push(h.clone());
        }
        if let Some(sampler) = &self.downsampler {
            h = match sampler {
                Sampler::Conv(conv) => conv.forward(&h)?,
                Sampler::Resnet(resnet) => resnet.forward(&h, emb)?,
            };
            skips.push(h.clone());
        }
        Ok(h)
    }
}

/// The middle: a residual block, attention, a residual block.
pub(crate) struct MidBlock {
    resnets: Vec<ResnetBlock>,
    attentions: Option<Attention>,
}

impl MidBlock {
    pub(crate) fn new(init: &mut Init, config: &UNet2DConfig) -> Result<MidBlock> {
        let (style, scale) = (config.style()?, config.mid_block_scale_factor);
        let channels = config.level(config.block_out_channels.len() - 1);
        let resnet = |init: &mut Init| ResnetBlock::new(init, style, channels, channels, Resample::Keep, scale);
        let first = resnet(init)?;
        let attention = config.add_attention.then(|| MidBlock::attention(init, config, style, channels)).transpose()?;
        Ok(MidBlock { resnets: vec![first, resnet(init)?], attentions: attention })
    }

    fn attention(init: &mut Init, config: &UNet2DConfig, style: Style, channels: usize) -> Result<Attention> {
        // A modulated network has no norm here, unless its groups are given.
        let groups = config.attn_norm_num_groups.or((!style.modulated).then_some(style.groups));
        let norm = groups.map(|groups| GroupNorm::new(init, groups, channels, style.eps)).transpose()?;
        let head = config.attention_head_dim.unwrap_or(channels);
        Attention::new(init, channels, head, norm, config.mid_block_scale_factor)
    }

    pub(crate) fn forward(&self, x: &Var, emb: &Var) -> Result<Var> {
        let mut h = self.resnets[0].forward(x, emb)?;
        if let Some(attention) = &self.attentions {
            h = attention.forward(&h)?;
        }
        self.resnets[1].forward(&h, emb)
    }
}

/// A level of the way up.
pub(crate) struct UpBlock {
    layers: Layers,
    upsampler: Option<Sampler>,
}

impl UpBlock {
    /// `skips` are the channels of what the way down left, the last of them taken first; `inputs` those of the block below.
    pub(crate) fn new(
        init: &mut Init,
        config: &UNet2DConfig,
        kind: BlockKind,
        level: usize,
        mut inputs: usize,
        skips: &mut Vec<usize>,
    ) -> Result<UpBlock> {
        let outputs = config.level(level);
        let mut widths = Vec::new();
        for _ in 0..=config.layers_per_block {
            widths.push(inputs + skips.pop().unwrap_or(0));
            inputs = outputs;
        }
        let layers = Layers::new(init, config, &widths, outputs, kind.attention)?;
        let upsampler = (level > 0).then(|| {
            Ok::<_, Error>(if kind.resnet_sampler {
                Sampler::Resnet(Box::new(ResnetBlock::new(
                    init,
                    config.style()?,
                    outputs,
                    outputs,
                    Resample::Double,
                    1.0,
                )?))
            } else {
                Sampler::Conv(Conv2d::same(init, outputs, outputs)?)
            })
        });
        Ok(UpBlock { layers, upsampler: upsampler.transpose()? })
    }

    /// Every layer takes the last of `skips` along.
    pub(crate) fn forward(&self, mut h: Var, emb: &Var, skips: &mut Vec<Var>) -> Result<Var> {
        for i in 0..self.layers.resnets.len() {
            if let Some(skip) = skips.pop() {
                h = Var::concat(&[&h, &skip], 1)?;
            }
            h = self.layers.forward(i, &h, emb)?;
        }
        match &self.upsampler {
            Some(Sampler::Conv(conv)) => conv.forward(&doubled(&h)?),
            Some(Sampler::Resnet(resnet)) => resnet.forward(&h, emb),
            None => Ok(h),
        }
    }
}

impl Module for Layers {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        visitor.module("resnets", &self.resnets);
        visitor.module("attentions", &self.attentions);
    }
}

impl Module for DownBlock {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        self.layers.visit(visitor);
        visitor.module("downsamplers.0", &self.downsampler);
    }
}

impl Module for MidBlock {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        visitor.module("resnets", &self.resnets);
        visitor.module("attentions.0", &self.attentions);
    }
}

impl Module for UpBlock {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        self.layers.visit(visitor);
        visitor.module("upsamplers.0", &self.upsampler);
    }
}
