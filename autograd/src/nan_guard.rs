//! A guard that finds where numbers stop being numbers.

use crate::error::{Kind, Result};
use std::cell::Cell;
use std::panic::Location;
use tensor::Tensor;

thread_local! {
    static GUARDING: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f`, in which, on this thread, the first op whose result is infinite or NaN somewhere is an error with its name
/// and its caller's line ([`Kind::NonFinite`]). Every result is read for it: for looking into a run that went wrong.
pub fn nan_guard<R>(f: impl FnOnce() -> Result<R>) -> Result<R> {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            GUARDING.set(self.0);
        }
    }
    let _restore = Restore(GUARDING.replace(true));
    f()
}

/// An error under the guard where `value` is not finite.
pub(crate) fn inspect(op: &'static str, value: &Tensor, at: &'static Location<'static>) -> Result<()> {
    if GUARDING.get() && value.to_f64()?.iter().any(|x| !x.is_finite()) {
        return Err(Kind::NonFinite { op, at }.into());
    }
    Ok(())
}
