//! Which kernels the time goes to: marks around every launch, for as long as a profile is taken.

use super::{CudaContext, Event};
use crate::Result;
use std::collections::HashMap;
use std::sync::PoisonError;

/// What a kernel came to while a profile was taken.
#[derive(Clone, Debug)]
pub struct Spent {
    /// Its name.
    pub kernel: &'static str,
    /// How often it was launched.
    pub launches: usize,
    /// Its time on the device, all launches together, in milliseconds.
    pub milliseconds: f64,
}

/// A launch: the kernel's name, and the marks before and after it.
pub(super) type Launch = (&'static str, Event, Event);

impl CudaContext {
    /// Runs `body`, and says what each kernel took, the longest first. Marks keep kernels apart, so together they take
    /// longer than without; what other threads launch meanwhile is counted too.
    pub fn profile<E: From<crate::KernelError>>(
        &self,
        body: impl FnOnce() -> std::result::Result<(), E>,
    ) -> std::result::Result<Vec<Spent>, E> {
        self.outside_capture("taking a profile")?;
        *self.launches.lock().unwrap_or_else(PoisonError::into_inner) = Some(vec![]);
        let ran = body();
        let launches = self.launches.lock().unwrap_or_else(PoisonError::into_inner).take();
        ran?;
        Ok(sums(launches.unwrap_or_default())?)
    }
}

fn sums(launches: Vec<Launch>) -> Result<Vec<Spent>> {
    let mut sums: HashMap<&'static str, Spent> = HashMap::new();
    for (kernel, before, after) in launches {
        let spent = sums.entry(kernel).or_insert(Spent { kernel, launches: 0, milliseconds: 0.0 });
        spent.launches += 1;
        spent.milliseconds += before.until(&after)?;
    }
    let mut all: Vec<Spent> = sums.into_values().collect();
    all.sort_by(|a, b| b.milliseconds.total_cmp(&a.milliseconds).then(a.kernel.cmp(b.kernel)));
    Ok(all)
}
