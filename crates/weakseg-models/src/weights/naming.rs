//! One network, several libraries: from their names to ours and back.
//!
//! Our names are torchvision's for whole classifiers and for DeepLabv3, and segmentation_models_pytorch's for U-Net.
//! timm differs in VGG's head: it keeps the first two linear layers as convolutions, `pre_logits.fc1` `[4096, 512, 7,
//! 7]` where torchvision has `classifier.0` `[4096, 25088]`, and calls the last one `head.fc`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::contents::Contents;
use super::host_tensor::HostTensor;

/// What wrappers put in front of every key: `DataParallel`, training frameworks.
const WRAPPERS: [&str; 5] = ["module.", "state_dict.", "model.", "net.", "_orig_mod."];

/// timm's name of a layer of VGG's head, torchvision's, and the side of timm's kernel.
const VGG_HEAD: [(&str, &str, usize); 3] = [
    ("pre_logits.fc1.", "classifier.0.", 7),
    ("pre_logits.fc2.", "classifier.3.", 1),
    ("head.fc.", "classifier.6.", 0),
];

/// torchvision's second head of DeepLabv3, which only its training looks at.
const AUXILIARY: &str = "aux_classifier.";

/// Whose names a file of weights is written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// torchvision's.
    Torchvision,
    /// timm's.
    Timm,
    /// segmentation_models_pytorch's.
    Smp,
}

impl Names {
    /// Every library.
    pub const ALL: [Self; 3] = [Self::Torchvision, Self::Timm, Self::Smp];

    fn name(self) -> &'static str {
        match self {
            Self::Torchvision => "torchvision",
            Self::Timm => "timm",
            Self::Smp => "smp",
        }
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Names {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|names| names.name() == text)
            .ok_or_else(|| {
                format!(
                    "`{text}` is none of {}",
                    Self::ALL.map(Self::name).join(", ")
                )
            })
    }
}

/// Brings what was read to our names, and notes what was done.
pub(super) fn to_ours(contents: &mut Contents) {
    let Contents { tensors, notes } = contents;
    while let Some(wrapper) = WRAPPERS
        .into_iter()
        .find(|wrapper| !tensors.is_empty() && tensors.keys().all(|key| key.starts_with(wrapper)))
    {
        *tensors = std::mem::take(tensors)
            .into_iter()
            .map(|(key, tensor)| (key[wrapper.len()..].to_owned(), tensor))
            .collect();
        notes.push(format!("`{wrapper}` was taken off every key"));
    }
    let has = |tensors: &BTreeMap<_, _>, start: &str| {
        tensors.keys().any(|key: &String| key.starts_with(start))
    };
    if has(tensors, AUXILIARY) && has(tensors, "backbone.") && has(tensors, "classifier.") {
        let before = tensors.len();
        tensors.retain(|key, _| !key.starts_with(AUXILIARY));
        notes.push(format!(
            "{} keys of the auxiliary head ({AUXILIARY}*) were left out: only training in torchvision looks at it",
            before - tensors.len()
        ));
    }
    if has(tensors, VGG_HEAD[0].0) {
        *tensors = std::mem::take(tensors)
            .into_iter()
            .map(
                |(key, mut tensor)| match renamed(&key, |(timm, ours, _)| (timm, ours)) {
                    Some((key, _)) => {
                        if let [outputs, rest @ ..] = tensor.shape.as_slice()
                            && rest.len() == 3
                        {
                            // Of a tensor without numbers the sides may be anything.
                            let inputs = rest
                                .iter()
                                .fold(1, |all: usize, &side| all.saturating_mul(side));
                            tensor.shape = vec![*outputs, inputs];
                        }
                        (key, tensor)
                    }
                    None => (key, tensor),
                },
            )
            .collect();
        notes.push(
            "timm's VGG head (pre_logits, head.fc) was read as torchvision's classifier".to_owned(),
        );
    }
}

/// Renames the tensors of a network for a library.
///
/// # Errors
/// Whose names there are, if the library has no such network.
pub(super) fn to_theirs(
    tensors: Vec<(String, HostTensor)>,
    names: Names,
) -> Result<Vec<(String, HostTensor)>, String> {
    let known = libraries(&tensors);
    if !known.contains(&names) {
        let known: Vec<&str> = known.into_iter().map(Names::name).collect();
        return Err(match known.as_slice() {
            [] => {
                let head = ["extra_linear.weight", "classifier.weight"];
                let own = head
                    .into_iter()
                    .find(|key| tensors.iter().any(|(name, _)| name == key));
                let why = own.map_or(String::new(), |key| {
                    format!(" (the head of `{key}` is weakseg's, not a library's)")
                });
                format!(
                    "no library has this network, so {names} has no names for it{why}; leave --names out"
                )
            }
            known => format!(
                "{names} has no such network; it has the names of {}",
                known.join(" and ")
            ),
        });
    }
    if names != Names::Timm {
        return Ok(tensors);
    }
    Ok(tensors
        .into_iter()
        .map(
            |(key, mut tensor)| match renamed(&key, |(timm, ours, _)| (ours, timm)) {
                Some((key, side)) => {
                    if let [outputs, inputs] = *tensor.shape
                        && side > 0
                        && inputs % (side * side) == 0
                    {
                        tensor.shape = vec![outputs, inputs / (side * side), side, side];
                    }
                    (key, tensor)
                }
                None => (key, tensor),
            },
        )
        .collect())
}

/// The libraries that have a network with these keys.
fn libraries(tensors: &[(String, HostTensor)]) -> Vec<Names> {
    let has = |key: &str| tensors.iter().any(|(name, _)| name == key);
    let starts = |start: &str| tensors.iter().any(|(name, _)| name.starts_with(start));
    if starts("encoder.") && starts("decoder.") && starts("segmentation_head.") {
        vec![Names::Smp]
    } else if starts("backbone.conv1.") && starts("classifier.0.convs.") {
        vec![Names::Torchvision]
    } else if has("classifier.6.weight") && starts("features.")
        || has("fc.weight") && has("conv1.weight")
    {
        vec![Names::Torchvision, Names::Timm]
    } else if has("last_linear.weight") {
        vec![Names::Timm]
    } else {
        Vec::new()
    }
}

/// The key of VGG's head under its other name, and the side of its kernel.
fn renamed<'a>(
    key: &str,
    direction: impl Fn((&'a str, &'a str, usize)) -> (&'a str, &'a str),
) -> Option<(String, usize)> {
    VGG_HEAD.into_iter().find_map(|row| {
        let (from, to) = direction(row);
        let parameter = key.strip_prefix(from)?;
        matches!(parameter, "weight" | "bias").then(|| (format!("{to}{parameter}"), row.2))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(shape: &[usize]) -> HostTensor {
        HostTensor {
            shape: shape.to_vec(),
            values: (0..shape.iter().product()).map(|i| i as f32).collect(),
        }
    }

    fn contents(rows: &[(&str, &[usize])]) -> Contents {
        Contents {
            tensors: rows
                .iter()
                .map(|&(key, shape)| (key.to_owned(), tensor(shape)))
                .collect(),
            notes: Vec::new(),
        }
    }

    #[test]
    fn vggs_head_goes_to_timm_and_back() {
        let ours = [
            ("features.0.weight", [4, 3, 3, 3].as_slice()),
            ("classifier.0.weight", &[5, 98]),
            ("classifier.0.bias", &[5]),
            ("classifier.3.weight", &[5, 5]),
            ("classifier.6.weight", &[2, 5]),
        ];
        let ours = contents(&ours).tensors;
        let theirs = to_theirs(ours.clone().into_iter().collect(), Names::Timm).unwrap();
        let shape = |key: &str| &theirs.iter().find(|(k, _)| k == key).unwrap().1.shape;
        assert_eq!(shape("pre_logits.fc1.weight"), &[5, 2, 7, 7]);
        assert_eq!(shape("pre_logits.fc2.weight"), &[5, 5, 1, 1]);
        assert_eq!(shape("head.fc.weight"), &[2, 5]);
        let mut back = Contents {
            tensors: theirs.into_iter().collect(),
            notes: Vec::new(),
        };
        to_ours(&mut back);
        assert_eq!(back.tensors, ours);
        assert_eq!(back.notes.len(), 1);
    }

    #[test]
    fn wrappers_come_off_only_where_every_key_has_them() {
        let mut both = contents(&[("module.model.a", &[1]), ("module.model.b", &[1])]);
        to_ours(&mut both);
        assert_eq!(both.tensors.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(both.notes.len(), 2);
        let mut one = contents(&[("module.a", &[1]), ("b", &[1])]);
        to_ours(&mut one);
        assert_eq!(one.tensors.len(), 2);
        assert!(one.tensors.contains_key("module.a") && one.notes.is_empty());
    }

    #[test]
    fn only_deeplabs_auxiliary_head_is_dropped() {
        let mut deeplab = contents(&[
            ("backbone.conv1.weight", &[1]),
            ("classifier.4.weight", &[1]),
            ("aux_classifier.0.weight", &[1]),
        ]);
        to_ours(&mut deeplab);
        assert_eq!(deeplab.tensors.len(), 2);
        assert!(deeplab.notes[0].contains("aux_classifier"));
        let mut other = contents(&[
            ("features.0.weight", &[1]),
            ("aux_classifier.0.weight", &[1]),
        ]);
        to_ours(&mut other);
        assert_eq!(other.tensors.len(), 2);
    }

    #[test]
    fn a_library_without_the_network_is_refused() {
        let unet = contents(&[
            ("encoder.conv1.weight", &[1]),
            ("decoder.blocks.0.conv1.0.weight", &[1]),
            ("segmentation_head.0.weight", &[1]),
        ]);
        let tensors: Vec<_> = unet.tensors.into_iter().collect();
        assert!(to_theirs(tensors.clone(), Names::Smp).is_ok());
        let error = to_theirs(tensors, Names::Timm).unwrap_err();
        assert_eq!(error, "timm has no such network; it has the names of smp");
        let ours: Vec<_> = contents(&[("extra_linear.weight", &[1])])
            .tensors
            .into_iter()
            .collect();
        let error = to_theirs(ours, Names::Torchvision).unwrap_err();
        for words in [
            "head of `extra_linear.weight` is weakseg's",
            "leave --names out",
        ] {
            assert!(error.contains(words), "{error}");
        }
    }
}
