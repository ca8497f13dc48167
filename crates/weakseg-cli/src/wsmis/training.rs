//! Optimizer, schedule and length of a training.

use toml::{Table, Value};

use super::leaves::{Leaf, Leaves};
use super::{Layer, Result, Section, refuse};

/// Everything below `training`, and what that code does without a key.
pub fn training(leaves: &mut Leaves, layer: &mut Layer, medical: bool) -> Result<()> {
    let epochs = leaves.count("num_epochs")?;
    if let Some(epochs) = epochs {
        layer.set_below("training.epochs", epochs);
    }
    if let Some(batch) = leaves.count("batch_size")? {
        layer.set_below("training.batch", batch);
    }
    let rate = optimizer(leaves, layer)?;
    schedule(leaves, layer, rate, epochs)?;
    leaves.take_if_text("monitor.method", "epochs");
    if let Some(interval) = leaves.count("monitor.interval")? {
        layer.set_below("training.keep_every", interval);
    }
    if epochs.is_some() {
        // Lowest validation loss; half and half for the X-rays.
        layer.set_below("training.monitor", "loss");
        layer.set_below("training.select", "best");
        layer.set_below(
            "training.sampler",
            if medical { "balanced" } else { "shuffle" },
        );
    }
    Ok(())
}

/// A number of the optimizer or schedule, in either spelling: below `parameters` or beside the name.
fn number(leaves: &mut Leaves, of: &str, key: &str) -> Result<Option<f64>> {
    let nested = leaves.number(&format!("{of}.parameters.{key}"))?;
    Ok(match nested {
        None => leaves.number(&format!("{of}.{key}"))?,
        some => some,
    })
}

/// As [`number`], a whole number from 0 on.
fn count(leaves: &mut Leaves, of: &str, key: &str) -> Result<Option<i64>> {
    match leaves.count(&format!("{of}.parameters.{key}"))? {
        None => leaves.count(&format!("{of}.{key}")),
        some => Ok(some),
    }
}

/// Returns the rate that the schedule's floor is a share of.
fn optimizer(leaves: &mut Leaves, layer: &mut Layer) -> Result<Option<f64>> {
    let name = match leaves.text("optimizer.name")? {
        Some(name) => name,
        None if leaves.has("optimizer") => return refuse("optimizer.name is missing"),
        None => return Ok(None),
    };
    let kind = name.to_ascii_lowercase();
    if !matches!(kind.as_str(), "sgd" | "adam" | "radam") {
        return refuse(format!(
            "optimizer.name is \"{name}\"; expected SGD, Adam or RAdam"
        ));
    }
    let rates = match leaves.numbers("optimizer.parameters.lr")? {
        None => leaves.numbers("optimizer.lr")?,
        some => some,
    };
    let Some(rates) = rates else {
        return refuse("optimizer has no lr");
    };
    let mut table = Table::new();
    // What is left out is PyTorch's, not ours.
    let decay = number(leaves, "optimizer", "weight_decay")?.unwrap_or(0.0);
    table.insert("weight_decay".to_owned(), decay.into());
    if kind == "sgd" {
        let momentum = number(leaves, "optimizer", "momentum")?.unwrap_or(0.0);
        table.insert("momentum".to_owned(), momentum.into());
    }
    let group = |part: &str, parameters: Option<&str>, lr: f64| {
        let mut group = Table::new();
        group.insert("part".to_owned(), part.into());
        if let Some(parameters) = parameters {
            group.insert("parameters".to_owned(), parameters.into());
        }
        group.insert("lr".to_owned(), lr.into());
        Value::Table(group)
    };
    let (base, groups) = match (layer.section, rates.as_slice()) {
        (_, &[lr]) => (lr, Vec::new()),
        (_, &[trunk, head]) => (head, vec![group("trunk", None, trunk)]),
        (Section::Classifier, &[trunk_weights, trunk_biases, head_weights, head_biases]) => (
            trunk_weights,
            vec![
                group("trunk", Some("weights"), trunk_weights),
                group("trunk", Some("biases"), trunk_biases),
                group("head", Some("weights"), head_weights),
                group("head", Some("biases"), head_biases),
            ],
        ),
        _ => {
            return refuse(format!(
                "optimizer.lr has {} rates; expected one, two, or four for a classifier",
                rates.len()
            ));
        }
    };
    table.insert("kind".to_owned(), kind.into());
    table.insert("lr".to_owned(), base.into());
    layer.set_below("training.optimizer", table);
    if groups.is_empty() {
        layer.set_below("training.head_lr_factor", 1.0);
    }
    // Also where there are none: those of a preset below are not meant.
    layer.set_below("training.groups", Value::Array(groups));
    Ok(Some(base))
}

fn schedule(
    leaves: &mut Leaves,
    layer: &mut Layer,
    rate: Option<f64>,
    epochs: Option<i64>,
) -> Result<()> {
    let mut table = Table::new();
    let name = leaves.text("scheduler.name")?;
    match name.as_deref() {
        None if leaves.has("scheduler") => return refuse("scheduler.name is missing"),
        None if rate.is_none() => return Ok(()),
        None => {
            table.insert("kind".to_owned(), "constant".into());
        }
        Some("step") => {
            table.insert("kind".to_owned(), "step".into());
            for key in ["step_size", "step"] {
                if let Some(step) = count(leaves, "scheduler", key)? {
                    table.insert("step_epochs".to_owned(), step.into());
                }
            }
            if let Some(gamma) = number(leaves, "scheduler", "gamma")? {
                table.insert("gamma".to_owned(), gamma.into());
            }
        }
        Some("poly") => {
            table.insert("kind".to_owned(), "poly".into());
            table.insert("per".to_owned(), "epoch".into());
            if let Some(power) = number(leaves, "scheduler", "power")? {
                table.insert("power".to_owned(), power.into());
            }
            for key in ["max_iters", "max_epochs"] {
                for path in [
                    format!("scheduler.parameters.{key}"),
                    format!("scheduler.{key}"),
                ] {
                    if let Some(epochs) = epochs {
                        leaves.take_if(&path, &Leaf::Number(epochs as f64));
                    }
                    if let Some(other) = leaves.left_number(&path) {
                        layer.note(&path, other, "the rate falls over training.epochs");
                        leaves.take(&path);
                    }
                }
            }
        }
        Some("plateau") => {
            table.insert("kind".to_owned(), "plateau".into());
            if let Some(factor) = number(leaves, "scheduler", "factor")? {
                table.insert("factor".to_owned(), factor.into());
            }
            if let Some(patience) = count(leaves, "scheduler", "patience")? {
                table.insert("patience".to_owned(), patience.into());
            }
            for path in ["scheduler.parameters.mode", "scheduler.mode"] {
                leaves.take_if_text(path, "min");
                if let Some(mode) = leaves.left_text(path) {
                    layer.note(path, mode, "training.monitor is the loss, which is to fall");
                    leaves.take(path);
                }
            }
        }
        Some(other) => {
            return refuse(format!(
                "scheduler.name is \"{other}\"; expected step, poly or plateau"
            ));
        }
    }
    if let Some(rate) = rate
        && let Some(floor) = number(leaves, "scheduler", "min_lr")?
    {
        // There a rate, here a share of the base; rounded, so that 1e-6 of 1e-2 is 1e-4.
        let share = (floor / rate * 1e12).round() / 1e12;
        table.insert("min_factor".to_owned(), share.clamp(0.0, 1.0).into());
    }
    layer.set_below("training.schedule", table);
    Ok(())
}
