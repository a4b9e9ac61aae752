//! What makes a model one that a folder can hold: a name, and a configuration that it is built from.

use crate::error::{Error, Result};
use crate::init::Init;
use crate::module::Module;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::path::Path;

/// A family of models.
pub trait Architecture: Module + Sized {
    /// What `config.json` holds; its default has every key but `consort`.
    type Config: Serialize + DeserializeOwned + Default;
    /// The family's name in `config.json`.
    const NAME: &'static str;

    /// A model with new parameters. An error when the configuration is not offered.
    fn build(config: Self::Config, init: &mut Init) -> Result<Self>;
    /// What it was built from.
    fn config(&self) -> &Self::Config;
}

/// The key of the family's name; that of models which diffusers does not know.
const OWN_KEY: &str = "architecture";
const DIFFUSERS_KEY: &str = "_class_name";
/// The version whose keys and defaults the U-Net's configuration has.
const DIFFUSERS_VERSION: &str = "0.42.1";
/// What this project adds to a configuration.
const EXTRA_KEY: &str = "consort";

/// A configuration file, parsed.
pub(crate) fn parse(path: &Path, text: &[u8]) -> Result<Map<String, Value>> {
    let wrong = |what: String| Error::format(path, what);
    match serde_json::from_slice(text) {
        Ok(Value::Object(config)) => Ok(config),
        Ok(_) => Err(wrong("is JSON, but not an object of keys and values; is it a model's config.json?".into())),
        Err(error) => Err(wrong(format!("is not JSON ({error}); copy, download or save it again"))),
    }
}

/// The family's name; where a file has none, that of diffusers' plain U-Net.
pub(crate) fn name(config: &Map<String, Value>) -> &str {
    config.get(OWN_KEY).or_else(|| config.get(DIFFUSERS_KEY)).and_then(Value::as_str).unwrap_or("UNet2DModel")
}

/// What this project added to the configuration.
pub(crate) fn extra(config: &Map<String, Value>) -> Map<String, Value> {
    config.get(EXTRA_KEY).and_then(Value::as_object).cloned().unwrap_or_default()
}

/// The configuration of an `A`. Keys that it does not know are an error, because they may change what is computed.
pub(crate) fn config<A: Architecture>(path: &Path, mut config: Map<String, Value>) -> Result<A::Config> {
    let found = name(&config);
    if found != A::NAME {
        let what = format!("describes a model of the architecture \"{found}\" where \"{}\" is expected", A::NAME);
        return Err(Error::format(path, what));
    }
    config.retain(|key, _| key != OWN_KEY && !key.starts_with('_'));
    let known = object(&A::Config::default())?;
    if let Some((key, value)) = config.iter().find(|(key, _)| *key != EXTRA_KEY && !known.contains_key(*key)) {
        let what = format!(
            "asks for `{key}`: {value}, which a {} here does not know; what it computes would be wrong",
            A::NAME
        );
        return Err(Error::format(path, what));
    }
    // Key by key, so that the message can name the one that is wrong.
    for (key, value) in &config {
        let one = Map::from_iter([(key.clone(), value.clone())]);
        if let Err(error) = serde_json::from_value::<A::Config>(Value::Object(one)) {
            return Err(Error::format(path, format!("has `{key}`: {value}, which does not fit: {error}")));
        }
    }
    serde_json::from_value(Value::Object(config)).map_err(|error| Error::format(path, format!("does not fit: {error}")))
}

/// The text of a model's `config.json`.
pub(crate) fn text<A: Architecture>(model: &A) -> Result<String> {
    let mut config = object(model.config())?;
    if A::NAME == "UNet2DModel" {
        config.insert(DIFFUSERS_KEY.into(), A::NAME.into());
        config.insert("_diffusers_version".into(), DIFFUSERS_VERSION.into());
    } else {
        config.insert(OWN_KEY.into(), A::NAME.into());
    }
    serde_json::to_string_pretty(&config).map(|text| text + "\n").map_err(|error| Error::config(error.to_string()))
}

fn object(config: &impl Serialize) -> Result<Map<String, Value>> {
    match serde_json::to_value(config) {
        Ok(Value::Object(config)) => Ok(config),
        Ok(other) => Err(Error::config(format!("a configuration is keys and values, not {other}"))),
        Err(error) => Err(Error::config(error.to_string())),
    }
}
