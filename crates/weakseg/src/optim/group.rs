//! Parts of a network that learn at their own rate.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which parameters of a part a group takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Parameters {
    /// All of them.
    #[default]
    All,
    /// All but the biases: kernels, matrices, and the scale of batch norm.
    Weights,
    /// What is added: the biases of convolutions and linear layers, and the shift of batch norm.
    Biases,
}

impl Parameters {
    /// Whether the parameter at a path is one of these; the last name of the path decides.
    fn take(self, parameter: &str) -> bool {
        let bias = parameter.rsplit('.').next() == Some("bias");
        match self {
            Self::All => true,
            Self::Weights => !bias,
            Self::Biases => bias,
        }
    }
}

/// One learning-rate group, as a setting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupConfig {
    /// `head` is the part that `head_lr_factor` speaks of, `trunk` all the rest; anything else is the path of a module,
    /// such as `encoder` or `trunk.layer4`.
    pub part: String,
    /// `all`, `weights` or `biases` of the part.
    #[serde(default)]
    pub parameters: Parameters,
    /// Base learning rate, in place of `optimizer.lr`; the schedule multiplies it. 0 leaves the parameters as they are.
    pub lr: f64,
}

impl GroupConfig {
    /// The group in a network whose head has the given paths, where `base` is the learning rate of what no group holds.
    pub fn group(&self, head: &[&str], base: f64) -> LrGroup {
        let part = match self.part.as_str() {
            "head" => Part::Within(owned(head)),
            "trunk" => Part::Outside(owned(head)),
            path => Part::Within(vec![path.to_owned()]),
        };
        LrGroup {
            name: match self.parameters {
                Parameters::All => self.part.clone(),
                Parameters::Weights => format!("{} (weights)", self.part),
                Parameters::Biases => format!("{} (biases)", self.part),
            },
            part,
            parameters: self.parameters,
            factor: self.lr / base,
        }
    }
}

fn owned(paths: &[&str]) -> Vec<String> {
    paths.iter().map(|&path| path.to_owned()).collect()
}

/// Parameters with their own factor on the learning rate.
#[derive(Debug, Clone, PartialEq)]
pub struct LrGroup {
    /// What messages call it.
    pub name: String,
    /// Factor on the learning rate; 0 leaves the parameters as they are.
    pub factor: f64,
    part: Part,
    parameters: Parameters,
}

/// Paths in a module, each of a parameter or of a part that holds parameters: `head` holds `head.weight`, not
/// `headroom.weight`.
#[derive(Debug, Clone, PartialEq)]
enum Part {
    Within(Vec<String>),
    Outside(Vec<String>),
}

impl LrGroup {
    /// A group of all parameters of one or more parts of a module, by their paths.
    pub fn new<S: Into<String>>(paths: impl IntoIterator<Item = S>, factor: f64) -> Self {
        let paths: Vec<String> = paths.into_iter().map(Into::into).collect();
        Self {
            name: paths.join(", "),
            factor,
            part: Part::Within(paths),
            parameters: Parameters::All,
        }
    }

    /// Whether the parameter at a path belongs here.
    pub fn holds(&self, parameter: &str) -> bool {
        let among = |paths: &[String]| paths.iter().any(|part| within(part, parameter));
        let inside = match &self.part {
            Part::Within(paths) => among(paths),
            Part::Outside(paths) => !among(paths),
        };
        inside && self.parameters.take(parameter)
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

    #[test]
    fn trunk_is_what_head_is_not_and_biases_are_told_from_weights() {
        let of = |text: &str| {
            let config: GroupConfig = toml::from_str(text).expect("a group");
            config.group(&["extra"], 0.01)
        };
        let group = of("part = \"trunk\"\nparameters = \"weights\"\nlr = 0.05");
        assert!((group.factor - 5.0).abs() < 1e-12);
        assert!(group.holds("trunk.conv1.weight") && group.holds("encoder.bn1.weight"));
        assert!(!group.holds("trunk.conv1.bias") && !group.holds("extra.weight"));
        let group = of("part = \"head\"\nparameters = \"biases\"\nlr = 0.0");
        assert!(group.holds("extra.0.bias") && !group.holds("extra.0.weight"));
        assert_eq!(group.name, "head (biases)");
        assert!(of("part = \"encoder.1\"\nlr = 1.0").holds("encoder.1.bias"));
        for wrong in ["part = \"head\"", "part = \"a\"\nlr = 1.0\nrate = 2.0"] {
            assert!(toml::from_str::<GroupConfig>(wrong).is_err(), "{wrong}");
        }
    }
}
