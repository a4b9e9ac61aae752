//! What has parameters. A layer is a plain struct; its one `visit` gives them their names, which are those of checkpoints.

use crate::param::Param;
use std::sync::Arc;

/// A layer, a block, a model.
pub trait Module {
    /// Shows every parameter to `visitor` under its name within this module.
    fn visit(&self, visitor: &mut Visitor<'_>);

    /// The parameters with their dotted names, in the order of `visit`.
    fn named_parameters(&self) -> Vec<(String, Param)> {
        let mut all = Vec::new();
        self.visit(&mut Visitor::new(&mut |name, param| all.push((name.to_owned(), param.clone()))));
        all
    }

    /// The parameters in the order of `visit`.
    fn parameters(&self) -> Vec<Param> {
        let mut all = Vec::new();
        self.visit(&mut Visitor::new(&mut |_, param| all.push(param.clone())));
        all
    }

    /// The parameters that gradients are taken with respect to, in the order of `visit`.
    fn trainable(&self) -> Vec<(String, Param)> {
        let mut all = self.named_parameters();
        all.retain(|(_, param)| param.is_trainable());
        all
    }

    /// Thaws or freezes all parameters.
    fn set_trainable(&self, trainable: bool) {
        self.visit(&mut Visitor::new(&mut |_, param| param.set_trainable(trainable)));
    }

    /// How many numbers the parameters hold.
    fn count(&self) -> usize {
        self.parameters().iter().map(|param| param.shape().count()).sum()
    }
}

/// Carries the path from the root of a model to where `visit` has got.
pub struct Visitor<'f> {
    path: String,
    found: &'f mut dyn FnMut(&str, &Param),
}

impl<'f> Visitor<'f> {
    /// A visitor at the root that hands every parameter and its dotted name to `found`.
    pub fn new(found: &'f mut dyn FnMut(&str, &Param)) -> Visitor<'f> {
        Visitor { path: String::new(), found }
    }

    /// A parameter of the present module.
    pub fn param(&mut self, name: &str, param: &Param) {
        self.below(name, |visitor| (visitor.found)(&visitor.path, param));
    }

    /// A module within the present one.
    pub fn module(&mut self, name: &str, module: &(impl Module + ?Sized)) {
        self.below(name, |visitor| module.visit(visitor));
    }

    fn below(&mut self, name: &str, visit: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(name);
        visit(self);
        self.path.truncate(length);
    }
}

/// Modules in a list are named by their place.
impl<M: Module> Module for Vec<M> {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        for (i, module) in self.iter().enumerate() {
            visitor.module(&i.to_string(), module);
        }
    }
}

impl<M: Module> Module for Option<M> {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        if let Some(module) = self {
            module.visit(visitor);
        }
    }
}

impl<M: Module + ?Sized> Module for Box<M> {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        (**self).visit(visitor);
    }
}

impl<M: Module + ?Sized> Module for Arc<M> {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        (**self).visit(visitor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Init, Linear};
    use autograd::Device;

    struct Pair {
        first: Linear,
        rest: Vec<Linear>,
        none: Option<Linear>,
    }

    impl Module for Pair {
        fn visit(&self, visitor: &mut Visitor<'_>) {
            visitor.module("first", &self.first);
            visitor.module("to_out.0", &self.rest);
            visitor.module("none", &self.none);
        }
    }

    #[test]
    fn names_are_paths_and_freezing_reaches_every_parameter() {
        let mut init = Init::seeded(&Device::cpu(1), 1);
        let mut linear = || Linear::new(&mut init, 2, 3).unwrap();
        let pair = Pair { first: linear(), rest: vec![linear()], none: None };
        let names: Vec<String> = pair.named_parameters().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["first.weight", "first.bias", "to_out.0.0.weight", "to_out.0.0.bias"]);
        assert_eq!((pair.count(), pair.trainable().len()), (18, 4));
        pair.set_trainable(false);
        assert!(pair.trainable().is_empty() && !pair.first.weight.var().is_active());
    }
}
