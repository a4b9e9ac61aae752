//! The configuration of a U-Net, key for key that of diffusers' `UNet2DModel`, with its defaults.
//!
//! What is not offered is refused with the key and the value, never ignored. Keys that change nothing here are kept:
//! `sample_size`, `num_train_timesteps`, and `dropout`, which a trained model does not apply.

use crate::activation::Activation;
use crate::error::{Error, Result};
use crate::resnet::Style;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A U-Net's `config.json`. Lists that belong together run from the largest image to the smallest, those of the way up
/// the other way round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)] // the names and meanings are diffusers'
pub struct UNet2DConfig {
    pub sample_size: Option<SampleSize>,
    pub in_channels: usize,
    pub out_channels: usize,
    pub center_input_sample: bool,
    pub time_embedding_type: String,
    pub time_embedding_dim: Option<usize>,
    pub freq_shift: i64,
    pub flip_sin_to_cos: bool,
    pub down_block_types: Vec<String>,
    pub mid_block_type: Option<String>,
    pub up_block_types: Vec<String>,
    pub block_out_channels: Vec<usize>,
    pub layers_per_block: usize,
    pub mid_block_scale_factor: f64,
    pub downsample_padding: usize,
    pub downsample_type: String,
    pub upsample_type: String,
    pub dropout: f64,
    pub act_fn: String,
    /// The width of a head; one head of full width where it is null.
    pub attention_head_dim: Option<usize>,
    pub norm_num_groups: usize,
    pub attn_norm_num_groups: Option<usize>,
    pub norm_eps: f64,
    pub resnet_time_scale_shift: String,
    pub add_attention: bool,
    pub class_embed_type: Option<String>,
    pub num_class_embeds: Option<usize>,
    pub num_train_timesteps: Option<usize>,
    /// What this project adds, such as the process the model was trained on; diffusers passes over it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consort: Option<Map<String, Value>>,
}

/// Height and width, one number where they are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
#[allow(missing_docs)]
pub enum SampleSize {
    Square(usize),
    Rectangle([usize; 2]),
}

impl Default for UNet2DConfig {
    fn default() -> UNet2DConfig {
        let names = |names: [&str; 4]| names.map(String::from).to_vec();
        UNet2DConfig {
            sample_size: None,
            in_channels: 3,
            out_channels: 3,
            center_input_sample: false,
            time_embedding_type: "positional".into(),
            time_embedding_dim: None,
            freq_shift: 0,
            flip_sin_to_cos: true,
            down_block_types: names(["DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"]),
            mid_block_type: Some("UNetMidBlock2D".into()),
            up_block_types: names(["AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"]),
            block_out_channels: vec![224, 448, 672, 896],
            layers_per_block: 2,
            mid_block_scale_factor: 1.0,
            downsample_padding: 1,
            downsample_type: "conv".into(),
            upsample_type: "conv".into(),
            dropout: 0.0,
            act_fn: "silu".into(),
            attention_head_dim: Some(8),
            norm_num_groups: 32,
            attn_norm_num_groups: None,
            norm_eps: 1e-5,
            resnet_time_scale_shift: "default".into(),
            add_attention: true,
            class_embed_type: None,
            num_class_embeds: None,
            num_train_timesteps: None,
            consort: None,
        }
    }
}

/// A block of the way down or up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockKind {
    /// Whether attention follows every residual block.
    pub(crate) attention: bool,
    /// Whether the image changes its size in a residual block rather than in a convolution.
    pub(crate) resnet_sampler: bool,
}

/// Sizes beyond any model, so that none overflows.
const WIDEST: usize = 1 << 16;
const DEEPEST: usize = 16;
const LONGEST: usize = 64;

impl UNet2DConfig {
    /// Checks that everything asked for is offered and fits together.
    pub fn check(&self) -> Result<()> {
        let level_count = self.block_out_channels.len();
        within("block_out_channels", "entries", level_count, DEEPEST)?;
        within("layers_per_block", "layers", self.layers_per_block, LONGEST)?;
        within("in_channels", "channels", self.in_channels, WIDEST)?;
        within("out_channels", "channels", self.out_channels, WIDEST)?;
        within("time_embedding_dim", "numbers", self.embedding(), 4 * WIDEST)?;
        within("norm_num_groups", "groups", self.norm_num_groups, WIDEST)?;
        for (key, types) in [("down_block_types", &self.down_block_types), ("up_block_types", &self.up_block_types)] {
            if types.len() != level_count {
                return Err(Error::config(format!(
                    "`{key}` has {} entries, `block_out_channels` {level_count}",
                    types.len()
                )));
            }
        }
        for &channels in &self.block_out_channels {
            within("block_out_channels", "channels", channels, WIDEST)?;
            divides("norm_num_groups", self.norm_num_groups, channels)?;
            if let Some(head) = self.attention_head_dim.filter(|head| !(1..=channels).contains(head)) {
                let what = format!(
                    "`attention_head_dim`: {head}, the width of a head, must be between 1 and the {channels} channels of a block"
                );
                return Err(Error::config(what));
            }
        }
        if let Some(groups) = self.attn_norm_num_groups {
            divides("attn_norm_num_groups", groups, self.level(level_count - 1))?;
        }
        self.down_kinds()?;
        self.up_kinds()?;
        self.style()?;
        self.check_options()
    }

    fn check_options(&self) -> Result<()> {
        one_of("time_embedding_type", &self.time_embedding_type, &["positional"])?;
        if let Some(kind) = &self.mid_block_type {
            one_of("mid_block_type", unprefixed(kind), &["UNetMidBlock2D"])?;
        }
        if let Some(kind) = &self.class_embed_type {
            return Err(Error::config(format!("`class_embed_type`: \"{kind}\" is not offered; only null is")));
        }
        if let Some(classes) = self.num_class_embeds {
            return Err(Error::config(format!("`num_class_embeds`: {classes} is not offered; only null is")));
        }
        if self.downsample_padding > 1 {
            return Err(Error::config(format!(
                "`downsample_padding`: {} is not offered; 0 and 1 are",
                self.downsample_padding
            )));
        }
        let positive = |key: &str, x: f64| {
            let fine = x.is_finite() && x > 0.0;
            if fine { Ok(()) } else { Err(Error::config(format!("`{key}`: {x} is not offered; it must be above 0"))) }
        };
        positive("norm_eps", self.norm_eps)?;
        positive("mid_block_scale_factor", self.mid_block_scale_factor)
    }

    /// The channels of level `i`, 0 where there is none.
    pub(crate) fn level(&self, i: usize) -> usize {
        self.block_out_channels.get(i).copied().unwrap_or(0)
    }

    /// The width of the time embedding.
    pub(crate) fn embedding(&self) -> usize {
        self.time_embedding_dim.unwrap_or(4usize.saturating_mul(self.level(0)))
    }

    /// What the residual blocks share.
    pub(crate) fn style(&self) -> Result<Style> {
        one_of("resnet_time_scale_shift", &self.resnet_time_scale_shift, &["default", "scale_shift"])?;
        Ok(Style {
            groups: self.norm_num_groups,
            eps: self.norm_eps,
            embedding: self.embedding(),
            modulated: self.resnet_time_scale_shift == "scale_shift",
            activation: Activation::parse("act_fn", &self.act_fn)?,
        })
    }

    pub(crate) fn down_kinds(&self) -> Result<Vec<BlockKind>> {
        one_of("downsample_type", &self.downsample_type, &["conv", "resnet"])?;
        let names = ["DownBlock2D", "AttnDownBlock2D", "ResnetDownsampleBlock2D"];
        kinds("down_block_types", &self.down_block_types, names, self.downsample_type == "resnet")
    }

    pub(crate) fn up_kinds(&self) -> Result<Vec<BlockKind>> {
        one_of("upsample_type", &self.upsample_type, &["conv", "resnet"])?;
        let names = ["UpBlock2D", "AttnUpBlock2D", "ResnetUpsampleBlock2D"];
        kinds("up_block_types", &self.up_block_types, names, self.upsample_type == "resnet")
    }
}

/// `names`: of the plain block, of the one with attention, of the one that resizes in a residual block.
fn kinds(key: &str, types: &[String], names: [&str; 3], resnet_sampler: bool) -> Result<Vec<BlockKind>> {
    let kind = |name: &String| {
        let name = unprefixed(name);
        one_of(key, name, &names)?;
        let attention = name == names[1];
        Ok(BlockKind { attention, resnet_sampler: if attention { resnet_sampler } else { name == names[2] } })
    };
    types.iter().map(kind).collect()
}

/// Block types may carry this prefix.
fn unprefixed(name: &str) -> &str {
    name.strip_prefix("UNetRes").unwrap_or(name)
}

fn one_of(key: &str, value: &str, offered: &[&str]) -> Result<()> {
    if offered.contains(&value) {
        return Ok(());
    }
    Err(Error::config(format!("`{key}`: \"{value}\" is not offered; use {}", offered.join(", or "))))
}

fn within(key: &str, what: &str, value: usize, most: usize) -> Result<()> {
    if (1..=most).contains(&value) {
        return Ok(());
    }
    Err(Error::config(format!("`{key}`: {value} {what}; between 1 and {most} are offered")))
}

fn divides(key: &str, groups: usize, channels: usize) -> Result<()> {
    if groups > 0 && channels.is_multiple_of(groups) {
        return Ok(());
    }
    Err(Error::config(format!("`{key}`: {groups} groups do not divide the {channels} channels of a block")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Anything a hand or a damaged disk could put behind a key, and what nearly fits.
    fn value() -> impl Strategy<Value = Value> {
        let types = ["DownBlock2D", "AttnUpBlock2D", "UNetResDownBlock2D", "KDownBlock2D", "conv", "silu", ""];
        let name = prop::sample::select(types.to_vec());
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            (0..40u64).prop_map(Value::from),
            name.clone().prop_map(Value::from),
            prop::collection::vec(name, 0..6).prop_map(Value::from),
            prop::collection::vec(any::<u64>(), 0..6).prop_map(Value::from),
            prop::collection::vec(0..300u64, 0..40).prop_map(Value::from),
        ]
    }

    proptest! {
        #[test]
        fn any_configuration_is_taken_or_refused(changes in prop::collection::vec((any::<prop::sample::Index>(), value()), 1..5)) {
            let Ok(Value::Object(mut config)) = serde_json::to_value(UNet2DConfig::default()) else { panic!() };
            let keys: Vec<String> = config.keys().cloned().collect();
            for (key, value) in changes {
                config.insert(key.get(&keys).clone(), value);
            }
            // A taken one has as many blocks as levels, and groups that divide them: what building it rests on.
            let config = serde_json::from_value::<UNet2DConfig>(Value::Object(config));
            if let Some(config) = config.ok().filter(|config| config.check().is_ok()) {
                let levels = config.block_out_channels.len();
                prop_assert_eq!((config.down_kinds()?.len(), config.up_kinds()?.len()), (levels, levels));
                prop_assert!(config.block_out_channels.iter().all(|c| c % config.norm_num_groups == 0));
            }
        }

        #[test]
        fn a_configuration_that_was_cut_short_is_refused(at in any::<prop::sample::Index>()) {
            let text = serde_json::to_string(&UNet2DConfig::default())?;
            prop_assert!(serde_json::from_str::<UNet2DConfig>(&text[..at.index(text.len())]).is_err());
        }
    }

    fn parsed(json: &str) -> Result<()> {
        serde_json::from_str::<UNet2DConfig>(json).unwrap().check()
    }

    #[test]
    fn absent_keys_take_the_defaults_and_null_is_not_absent() {
        parsed("{}").unwrap();
        let config: UNet2DConfig =
            serde_json::from_str(r#"{"attention_head_dim": null, "sample_size": [4, 8]}"#).unwrap();
        assert_eq!((config.attention_head_dim, config.block_out_channels.len()), (None, 4));
        assert_eq!(config.sample_size, Some(SampleSize::Rectangle([4, 8])));
        assert_eq!(UNet2DConfig::default().attention_head_dim, Some(8));
    }

    #[test]
    fn what_is_not_offered_is_refused_with_key_and_value() {
        let refused = [
            (
                r#"{"time_embedding_type": "fourier"}"#,
                "`time_embedding_type`: \"fourier\" is not offered; use positional",
            ),
            (r#"{"class_embed_type": "timestep"}"#, "`class_embed_type`: \"timestep\""),
            (r#"{"num_class_embeds": 10}"#, "`num_class_embeds`: 10"),
            (r#"{"act_fn": "tanh"}"#, "`act_fn`: \"tanh\""),
            (r#"{"resnet_time_scale_shift": "spatial"}"#, "`resnet_time_scale_shift`: \"spatial\""),
            (r#"{"downsample_padding": 2}"#, "`downsample_padding`: 2"),
            (r#"{"norm_num_groups": 5}"#, "`norm_num_groups`: 5 groups do not divide the 224 channels"),
            (r#"{"norm_num_groups": 0}"#, "`norm_num_groups`: 0 groups"),
            (r#"{"block_out_channels": [32]}"#, "`down_block_types` has 4 entries, `block_out_channels` 1"),
            (r#"{"block_out_channels": []}"#, "`block_out_channels`: 0 entries"),
            (r#"{"attention_head_dim": 300}"#, "`attention_head_dim`: 300"),
            (r#"{"in_channels": 99999999999}"#, "`in_channels`: 99999999999 channels"),
            (r#"{"norm_eps": 0.0}"#, "`norm_eps`: 0"),
            (
                r#"{"down_block_types": ["SkipDownBlock2D", "DownBlock2D", "DownBlock2D", "DownBlock2D"]}"#,
                "`down_block_types`: \"SkipDownBlock2D\" is not offered; use DownBlock2D, or AttnDownBlock2D, or",
            ),
        ];
        for (json, want) in refused {
            let error = parsed(json).unwrap_err().to_string();
            assert!(error.contains(want), "{json}: {error}");
        }
    }

    #[test]
    fn the_old_prefix_of_block_types_is_dropped() {
        let kinds = kinds("key", &["UNetResDownBlock2D".into()], ["DownBlock2D", "A", "R"], true).unwrap();
        assert_eq!(kinds, [BlockKind { attention: false, resnet_sampler: false }]);
    }
}
