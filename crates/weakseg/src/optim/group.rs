//! Parts of a network that learn at their own rate.

/// Parameters with their own factor on the learning rate.
#[derive(Debug, Clone, PartialEq)]
pub struct LrGroup {
    /// Paths in the module, each of a parameter or of a part that holds parameters: `head` holds `head.weight`, not
    /// `headroom.weight`.
    pub paths: Vec<String>,
    /// Factor on the learning rate; 0 leaves the parameters as they are.
    pub factor: f64,
}

impl LrGroup {
    /// A group of one or more parts of a module.
    pub fn new<S: Into<String>>(paths: impl IntoIterator<Item = S>, factor: f64) -> Self {
        Self {
            paths: paths.into_iter().map(Into::into).collect(),
            factor,
        }
    }

    /// Whether the parameter at a path belongs here.
    pub fn holds(&self, parameter: &str) -> bool {
        self.paths.iter().any(|part| within(part, parameter))
    }
}

/// Whether a parameter's path is `part` or lies below it.
fn within(part: &str, parameter: &str) -> bool {
    parameter
        .strip_prefix(part)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_holds_what_lies_below_it() {
        let group = LrGroup::new(["head", "trunk.0.bias"], 10.0);
        assert!(group.holds("head.weight") && group.holds("trunk.0.bias"));
        assert!(
            !group.holds("headroom.weight")
                && !group.holds("trunk.0.weight")
                && !group.holds("a.head")
        );
    }
}
