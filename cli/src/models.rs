//! Finding models: a folder the user names, or one that ships with the program.

use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// Where a training's run folder has its model.
const IN_RUN: &str = "model";
/// The file that makes a folder a model.
const CONFIG: &str = "config.json";

/// The folder of the model `name`: a path to one or to the run that trained it, or one of the shipped models, which are looked for in `given` alone if
/// that is there, otherwise in `$CONSORT_MODELS`, `<program>/../share/consort/models`, and the checkout. The error lists
/// the places.
pub fn find(name: &str, given: Option<&Path>) -> Result<PathBuf> {
    find_in(name, &places(given))
}

/// The folders in which shipped models are looked for, the first first.
pub fn places(given: Option<&Path>) -> Vec<PathBuf> {
    if let Some(given) = given {
        return vec![given.to_owned()];
    }
    let environment = std::env::var_os("CONSORT_MODELS").filter(|value| !value.is_empty()).map(PathBuf::from);
    let program = std::env::current_exe().ok();
    let installed = program.and_then(|program| Some(program.parent()?.parent()?.join("share/consort/models")));
    let built_from = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("models");
    let places = [environment, installed, Some(built_from), Some("models".into())];
    places.into_iter().flatten().collect()
}

fn find_in(name: &str, places: &[PathBuf]) -> Result<PathBuf> {
    let named = Path::new(name);
    if let Some(model) = [named.to_owned(), named.join(IN_RUN)].into_iter().find(|folder| is_model(folder)) {
        return Ok(model);
    }
    // A path that leads nowhere is a slip, no name to look for elsewhere.
    if named.is_dir() || named.is_absolute() || name.starts_with('.') {
        return Err(Error::usage(format!("{name} is no model, as it has no {CONFIG}: give a checkpoint's folder")));
    }
    places.iter().map(|place| place.join(name)).find(|model| is_model(model)).ok_or_else(|| {
        let places: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
        let way_out = "name their folder with `--models DIR` or `$CONSORT_MODELS`, or give a checkpoint's folder";
        Error::usage(format!("there is no model `{name}` in {}: {way_out}", places.join(", ")))
    })
}

fn is_model(folder: &Path) -> bool {
    folder.join(CONFIG).is_file()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn model(place: &Path, name: &str) -> PathBuf {
        let folder = place.join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(CONFIG), "{}").unwrap();
        folder
    }

    #[test]
    fn the_first_place_wins() {
        let home = tempfile::tempdir().unwrap();
        let places = [home.path().join("a"), home.path().join("b")];
        let second = model(&places[1], "mnist-score");
        assert_eq!(find_in("mnist-score", &places).unwrap(), second);
        let first = model(&places[0], "mnist-score");
        assert_eq!(find_in("mnist-score", &places).unwrap(), first);
        assert_eq!(find_in(second.to_str().unwrap(), &places).unwrap(), second);
    }

    #[test]
    fn the_error_lists_the_places() {
        let error = find_in("mnist-scroe", &["/a/models".into(), "models".into()]).unwrap_err();
        assert!(error.is_usage());
        assert_eq!(
            error.to_string(),
            "there is no model `mnist-scroe` in /a/models, models: name their folder with `--models DIR` or \
             `$CONSORT_MODELS`, or give a checkpoint's folder"
        );
        let home = tempfile::tempdir().unwrap();
        let name = home.path().to_str().unwrap();
        let want = format!("{name} is no model, as it has no config.json: give a checkpoint's folder");
        assert_eq!(find_in(name, &[]).unwrap_err().to_string(), want);
    }

    #[test]
    fn a_named_place_is_the_only_one() {
        assert_eq!(places(Some(Path::new("mine"))), [PathBuf::from("mine")]);
        let all = places(None);
        assert!(all.iter().any(|place| place.ends_with("share/consort/models")), "{all:?}");
        assert_eq!(all.last().unwrap(), Path::new("models"));
    }
}
