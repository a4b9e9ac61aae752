//! Models: parameters with names, layers, networks, optimisers, and their files in the layout of diffusers.
//!
//! A layer is a plain struct of [`Param`]s and layers. Its one [`Module::visit`] names them, for loading, saving, freezing
//! and optimising. A model is built from its configuration with new parameters, then loaded by name. Knows nothing of
//! diffusion: to it, a [`Network`] takes a sample and a time.

mod activation;
mod architecture;
mod attention;
mod blocks;
pub mod checkpoint;
mod cnn;
mod config;
mod conv;
mod ema;
mod embedding;
mod error;
pub mod files;
mod init;
mod linear;
mod mlp;
mod module;
mod network;
mod norm;
mod optim;
mod param;
mod report;
mod resample;
mod resnet;
mod rotary;
mod schedule;
mod state;
mod tensor_file;
mod unet2d;

pub use activation::Activation;
pub use architecture::Architecture;
pub use attention::Attention;
pub use checkpoint::{Pretrained, load, load_network, save};
pub use cnn::{Cnn, CnnConfig};
pub use config::{SampleSize, UNet2DConfig};
pub use conv::Conv2d;
pub use ema::Ema;
pub use embedding::{TimeFeatures, TimestepEmbedding};
pub use error::{Error, Kind, Result};
pub use init::Init;
pub use linear::Linear;
pub use mlp::{Mlp, MlpConfig};
pub use module::{Module, Visitor};
pub use network::Network;
pub use norm::{GroupNorm, LayerNorm};
pub use optim::{Adam, Optimizer};
pub use param::Param;
pub use report::{Misshaped, Report};
pub use resnet::{Resample, ResnetBlock, Style};
pub use rotary::{grid_positions, rotary_table};
pub use schedule::Schedule;
pub use state::{SavedState, State};
pub use unet2d::UNet2D;
