//! Losses of one step.

use toml::{Table, Value};

use super::leaves::{Leaf, Leaves};
use super::{Layer, Result, Section, refuse};

/// A loss of the file.
struct Loss {
    /// Its path.
    place: String,
    /// The leaf that names it.
    key: String,
    name: String,
}

impl Loss {
    /// Where one of its values may stand: beside its name, or below `parameters`.
    fn paths(&self, key: &str) -> [String; 2] {
        let place = &self.place;
        [
            format!("{place}.{key}"),
            format!("{place}.parameters.{key}"),
        ]
    }

    /// Takes a number.
    fn number(&self, leaves: &mut Leaves, key: &str) -> Result<Option<f64>> {
        let mut found = None;
        for path in self.paths(key) {
            found = found.or(leaves.number(&path)?);
        }
        Ok(found)
    }
}

/// One loss by its name, or a list of them with weights.
pub fn losses(leaves: &mut Leaves, layer: &mut Layer, crf: bool) -> Result<()> {
    let found = named(leaves)?;
    for path in found.iter().flat_map(|loss| loss.paths("ignore_index")) {
        leaves.take_if(&path, &Leaf::Number(255.0));
    }
    match layer.section {
        Section::Classifier => classifier_loss(leaves, layer, &found),
        Section::Segmenter => segmenter_losses(leaves, layer, &found, crf),
    }
}

/// The losses of a file: each a bare name, a list of one bare name, or a mapping with `name`.
fn named(leaves: &mut Leaves) -> Result<Vec<Loss>> {
    let mut places: Vec<String> = Vec::new();
    for key in ["model.loss", "model.losses"] {
        if leaves.has(&format!("{key}[0]")) {
            let several = (0..).map(|place| format!("{key}[{place}]"));
            places.extend(several.take_while(|place| leaves.has(place)));
        } else if leaves.has(key) {
            places.push(key.to_owned());
        }
    }
    let mut losses = Vec::new();
    for place in places {
        let mut key = place.clone();
        let name = match leaves.take(&place) {
            Some(Leaf::Text(name)) => name,
            Some(Leaf::List(names)) => {
                let [Leaf::Text(name)] = names.as_slice() else {
                    return refuse(format!(
                        "{place} has several bare names; expected one, or name and weight of each"
                    ));
                };
                name.clone()
            }
            _ => {
                key += ".name";
                match leaves.text(&key)? {
                    Some(name) => name,
                    None => return refuse(format!("{place} has no name")),
                }
            }
        };
        losses.push(Loss { place, key, name });
    }
    Ok(losses)
}

fn classifier_loss(leaves: &mut Leaves, layer: &mut Layer, losses: &[Loss]) -> Result<()> {
    let loss = match losses {
        [] => return Ok(()),
        [loss] => loss,
        [_, second, ..] => {
            return refuse(format!("{}: a classifier has one loss here", second.place));
        }
    };
    let ours = match loss.name.as_str() {
        "binary_cross_entropy" => "bce",
        "integral_attention_learning" => "integral-attention",
        name => {
            return refuse(format!(
                "{} is \"{name}\"; expected binary_cross_entropy or integral_attention_learning for a classifier",
                loss.place
            ));
        }
    };
    layer.set_below("loss", ours);
    for path in loss.paths("weight") {
        match leaves.take(&path) {
            Some(value) if value != Leaf::Number(1.0) => {
                layer.note(&path, value, "one loss: its weight is 1");
            }
            _ => {}
        }
    }
    for path in loss.paths("pos_weight") {
        if ours != "bce" {
            if let Some(value) = leaves.take(&path) {
                layer.note(
                    &path,
                    value,
                    "this loss weighs both kinds of labels alike by itself",
                );
            }
            continue;
        }
        match leaves.numbers(&path)?.as_deref() {
            None => {}
            Some([one]) => layer.set_below("pos_weight", *one),
            Some(each) => {
                let each = each.iter().copied().map(Value::from).collect();
                layer.set_below("pos_weight", Value::Array(each));
            }
        }
    }
    Ok(())
}

fn segmenter_losses(
    leaves: &mut Leaves,
    layer: &mut Layer,
    losses: &[Loss],
    crf: bool,
) -> Result<()> {
    let mut list = Vec::new();
    for loss in losses {
        let (place, name) = (&loss.place, loss.name.as_str());
        let kind = match name {
            "categorical_cross_entropy" => "cross-entropy",
            "binary_cross_entropy" => "bce",
            "kldiv" if crf => "crf-constrained",
            "kldiv" => "kl-divergence",
            "mean_iou" => "soft-iou",
            "binary_dice" => {
                layer.note(&loss.key, name, "taken over as the Dice that has a gradient; there it is cut at 0.5 and has none");
                "dice"
            }
            _ => {
                return refuse(format!(
                    "{place} is \"{name}\"; expected categorical_cross_entropy, binary_cross_entropy, kldiv, mean_iou or binary_dice"
                ));
            }
        };
        let weight = loss.number(leaves, "weight")?.unwrap_or(1.0);
        let mut table = Table::new();
        table.insert("kind".to_owned(), kind.into());
        table.insert("weight".to_owned(), weight.into());
        match kind {
            "kl-divergence" => {
                table.insert("sigma".to_owned(), 0.0.into());
            }
            "bce" => {
                let positive = loss.number(leaves, "pos_weight")?;
                layer.set_below("pos_weight", positive.unwrap_or(1.0));
            }
            "crf-constrained" => {
                for key in ["scale_factor", "iterations"] {
                    if let Some(number) = leaves.count(&format!("crf.{key}"))? {
                        table.insert(key.to_owned(), number.into());
                    }
                }
            }
            _ => {}
        }
        list.push(Value::Table(table));
    }
    if !list.is_empty() {
        layer.set_below("losses", Value::Array(list));
    }
    Ok(())
}
