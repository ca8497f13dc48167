//! Which optimizer, and its numbers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Names of the update rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OptimKind {
    /// Stochastic gradient descent with momentum, Nesterov's if asked for, weight decay as an L2 term; equals
    /// `torch.optim.SGD` (no dampening).
    Sgd,
    /// [`Sgd`](Self::Sgd) as IRNet's reference code runs it by a mistake: its optimizer hands the weight decay on in
    /// the momentum's place, so that the momentum is the weight decay (1e-4) and `momentum` is not read. Published
    /// IRNet numbers depend on it (reference §12.1).
    SgdReference,
    /// Adam with weight decay as an L2 term; equals `torch.optim.Adam`.
    #[default]
    Adam,
    /// Adam with decoupled weight decay; equals `torch.optim.AdamW`.
    #[serde(rename = "adamw")]
    AdamW,
    /// Rectified Adam with decoupled weight decay, plain momentum while the variance is unknown (the first five steps
    /// at beta2 = 0.999); equals `torch.optim.RAdam(decoupled_weight_decay=True)` and the paper's own RAdam.
    #[serde(rename = "radam")]
    RAdam,
}

/// An optimizer and its numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OptimConfig {
    /// Update rule: `sgd`, `sgd-reference`, `adam`, `adamw` or `radam`.
    pub kind: OptimKind,
    /// Base learning rate, which the schedule and the groups multiply.
    pub lr: f64,
    /// Momentum, used by `sgd` alone.
    pub momentum: f64,
    /// Look ahead along the momentum (Nesterov), for `sgd` with a momentum above 0.
    pub nesterov: bool,
    /// Decay rates of the first and second moment, used by the Adam family.
    pub betas: [f64; 2],
    /// Added to the root of the second moment, used by the Adam family.
    pub epsilon: f64,
    /// Weight decay: an L2 term in the gradient for `sgd`, `sgd-reference` and `adam`, decoupled for `adamw` and
    /// `radam`.
    pub weight_decay: f64,
}

impl Default for OptimConfig {
    /// Adam at 1e-4 with weight decay 1e-5, as the paper's X-ray classifier.
    fn default() -> Self {
        Self {
            kind: OptimKind::Adam,
            lr: 1e-4,
            momentum: 0.9,
            nesterov: false,
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            weight_decay: 1e-5,
        }
    }
}

impl OptimConfig {
    /// Stochastic gradient descent.
    pub fn sgd(lr: f64, momentum: f64, weight_decay: f64) -> Self {
        Self {
            kind: OptimKind::Sgd,
            lr,
            momentum,
            weight_decay,
            ..Self::default()
        }
    }

    /// One of the Adam family with its usual betas and epsilon.
    pub fn adam(kind: OptimKind, lr: f64, weight_decay: f64) -> Self {
        Self {
            kind,
            lr,
            weight_decay,
            ..Self::default()
        }
    }

    /// The momentum that SGD runs with.
    pub(super) fn effective_momentum(&self) -> f64 {
        match self.kind {
            OptimKind::SgdReference => self.weight_decay,
            _ => self.momentum,
        }
    }

    /// The first number out of range, in words; `Ok` if there is none.
    ///
    /// # Errors
    /// Names the key, the value and the range.
    pub fn check(&self) -> Result<(), String> {
        let finite_above = |name: &str, value: f64, zero: bool| {
            let fits = value.is_finite() && (value > 0.0 || (zero && value == 0.0));
            let range = if zero { "0 or above" } else { "above 0" };
            if fits {
                Ok(())
            } else {
                Err(format!(
                    "optimizer.{name} is {value}; expected a finite number {range}"
                ))
            }
        };
        finite_above("lr", self.lr, false)?;
        finite_above("weight_decay", self.weight_decay, true)?;
        finite_above("epsilon", self.epsilon, false)?;
        for (name, value) in [
            ("momentum", self.momentum),
            ("betas", self.betas[0]),
            ("betas", self.betas[1]),
        ] {
            if !(0.0..1.0).contains(&value) {
                return Err(format!(
                    "optimizer.{name} holds {value}; expected 0 to below 1"
                ));
            }
        }
        if self.kind == OptimKind::SgdReference && self.weight_decay >= 1.0 {
            return Err(format!(
                "optimizer.weight_decay is {}, and with kind \"sgd-reference\" the momentum too; expected 0 to below 1",
                self.weight_decay
            ));
        }
        if self.nesterov && (self.kind != OptimKind::Sgd || self.momentum == 0.0) {
            return Err(
                "optimizer.nesterov is on; it needs kind \"sgd\" and a momentum above 0".to_owned(),
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toml_names_and_unknown_keys() {
        let c: OptimConfig = toml::from_str("kind = \"adamw\"\nlr = 0.5").unwrap();
        assert_eq!((c.kind, c.lr, c.epsilon), (OptimKind::AdamW, 0.5, 1e-8));
        assert!(toml::from_str::<OptimConfig>("learning_rate = 1.0").is_err());
        assert!(toml::from_str::<OptimConfig>("kind = \"lamb\"").is_err());
    }

    #[test]
    fn ranges() {
        assert!(OptimConfig::default().check().is_ok());
        assert!(
            OptimConfig {
                lr: f64::NAN,
                ..OptimConfig::default()
            }
            .check()
            .unwrap_err()
            .contains("lr")
        );
        assert!(
            OptimConfig::sgd(0.1, 1.0, 0.0)
                .check()
                .unwrap_err()
                .contains("momentum")
        );
        assert!(OptimConfig::sgd(0.1, 0.9, -1.0).check().is_err());
        let slipped = |weight_decay| OptimConfig {
            kind: OptimKind::SgdReference,
            ..OptimConfig::sgd(0.1, 0.9, weight_decay)
        };
        assert!(slipped(1e-4).check().is_ok());
        let message = slipped(3.0).check().unwrap_err();
        assert!(message.contains("weight_decay is 3"), "{message}");
        let ahead = |config| OptimConfig {
            nesterov: true,
            ..config
        };
        assert!(ahead(OptimConfig::sgd(0.1, 0.9, 0.0)).check().is_ok());
        for wrong in [OptimConfig::sgd(0.1, 0.0, 0.0), OptimConfig::default()] {
            assert!(ahead(wrong).check().unwrap_err().contains("nesterov"));
        }
    }
}
