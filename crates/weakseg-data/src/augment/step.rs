//! [`AugmentStep`]: a chance that something happens, and what.

use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::change::Change;
use super::operation::{Operation, renamed, within};
use crate::DataError;
use crate::chance::{below, unit};

/// With the chance `p`, one of some operations, each as likely as the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AugmentStep {
    /// Chance that anything happens, 0 to 1.
    pub p: f64,
    /// What may happen, at least one.
    pub one_of: Vec<Operation>,
}

impl AugmentStep {
    /// One operation with a chance.
    #[must_use]
    pub fn of(p: f64, operation: Operation) -> Self {
        Self {
            p,
            one_of: vec![operation],
        }
    }

    /// An error's key is that below the step.
    pub(super) fn check(&self) -> Result<(), DataError> {
        within("p", self.p, 0.0, 1.0, ", a chance")?;
        if self.one_of.is_empty() {
            return Err(DataError::Setting {
                key: "one_of".into(),
                found: "[]".into(),
                expected: "at least one operation, as in [{ kind = \"horizontal-flip\" }]".into(),
            });
        }
        for (place, operation) in self.one_of.iter().enumerate() {
            let below = |error| renamed(error, |key| format!("one_of[{place}].{key}"));
            operation.check().map_err(below)?;
        }
        Ok(())
    }

    /// Which of them happens, if any.
    pub(super) fn choose(&self, rng: &mut ChaCha8Rng) -> Option<&Operation> {
        let happens = unit(rng) < self.p;
        let choice = self.one_of.get(below(rng, self.one_of.len().max(1)));
        choice.filter(|_| happens)
    }

    pub(super) fn draw(&self, rng: &mut ChaCha8Rng, height: usize, width: usize) -> Vec<Change> {
        let chosen = self.choose(rng);
        chosen.map_or_else(Vec::new, |operation| operation.draw(rng, height, width))
    }
}

#[cfg(test)]
mod tests {
    use crate::augment::Scope;
    use crate::chance::{Purpose, stream};

    #[test]
    fn operations_happen_as_often_as_they_should() {
        let steps = Scope::Strong.steps();
        let tone = &steps[4];
        let mut counts = [0_u32; 5];
        for index in 0..20_000 {
            let mut rng = stream(Purpose::Augment, 0, 0, index);
            if let Some(operation) = tone.choose(&mut rng) {
                let place = tone.one_of.iter().position(|o| o == operation).unwrap();
                counts[place] += 1;
            }
        }
        // A tenth each: 2,000 of 20,000, with a standard deviation of 42.
        assert!(
            counts.iter().all(|c| (1_800..2_200).contains(c)),
            "{counts:?}"
        );
    }
}
