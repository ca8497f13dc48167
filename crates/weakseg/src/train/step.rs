//! One optimizer step: the gradients of its batches, and what the optimizer makes of their mean.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::TensorReadError;

use super::average::averaged;
use super::checkpoint::{Course, State};
use super::fit::Fit;
use super::gradients::{MeanGradients, clipped, norm};
use super::part::Part;
use super::replica::Replicas;
use super::{Draw, Lesson, Place, TrainError};
use crate::config::Training;

/// How many batches and optimizer steps an epoch has.
pub(super) struct EpochLength {
    pub(super) batches: usize,
    pub(super) steps: usize,
}

/// Base learning rate of an optimizer step without what `plateau` makes of it.
pub(super) fn rate(
    training: &Training,
    iteration: usize,
    epoch: usize,
    length: &EpochLength,
) -> f64 {
    let (epochs, all) = (training.epochs, training.epochs * length.steps);
    training.optimizer.lr * training.schedule.factor(iteration, all, epoch, epochs)
}

/// Says where it was that the device gave up on a lesson.
pub(super) fn placed<'a>(
    place: &'a str,
    plan: &'a Fit<'_>,
) -> impl Fn(TrainError) -> TrainError + 'a {
    move |error| match error {
        TrainError::Read(why) => gave_up(why, place, plan),
        other => other,
    }
}

fn gave_up(why: TensorReadError, place: &str, plan: &Fit<'_>) -> TrainError {
    TrainError::Device {
        step: plan.name.to_owned(),
        why: why.to_string(),
        place: place.to_owned(),
        batch: plan.training.batch,
        accumulate: plan.training.accumulate,
    }
}

/// An optimizer step, for what is told of it.
struct At<'a> {
    /// Where it began.
    begun: Place,
    lr: f64,
    length: &'a EpochLength,
    plan: &'a Fit<'a>,
}

impl At<'_> {
    /// In words, where it is taken, on the device of that number.
    fn on(&self, device: usize) -> String {
        let Place { epoch, step } = self.begun;
        let place = format!("in epoch {}, batch {}", epoch + 1, step + 1);
        match (self.plan.further, device) {
            ([], _) => place,
            (_, 0) => format!("{place} on {}", self.plan.device_name),
            (further, device) => format!("{place} on {}", further[device - 1].name),
        }
    }

    fn gave_up(&self, why: TensorReadError) -> TrainError {
        gave_up(why, &self.on(0), self.plan)
    }
}

/// One optimizer step, on the mean of the gradients of the batches of `group`, whose samples are there.
pub(super) fn step<L: Lesson>(
    lesson: &mut L,
    mut course: Course<L::Network>,
    replicas: &Replicas<'_, L>,
    group: &[(Place, Vec<usize>)],
    samples: Vec<Vec<<L::Draw as Draw>::Sample>>,
    length: &EpochLength,
    plan: &Fit<'_>,
) -> Result<Course<L::Network>, TrainError> {
    let begun = course.state.place;
    let iteration = begun.epoch * length.steps + begun.step / plan.training.accumulate;
    let at = At {
        begun,
        lr: rate(plan.training, iteration, begun.epoch, length) * course.state.plateau.factor,
        length,
        plan,
    };
    let mut samples: Vec<_> = samples.into_iter().map(Some).collect();
    replicas
        .begin(&course.network, group, &mut samples)
        .map_err(|why| at.gave_up(why))?;
    let mut sum = MeanGradients::new();
    for (number, ((_, batch), samples)) in group.iter().zip(samples).enumerate() {
        let network = &course.network;
        let part = match samples {
            Some(samples) => Part::of(lesson, network, batch, samples, course.state.place),
            None => replicas.part(number).map(|part| part.beside::<L>(network)),
        };
        let part = part.map_err(placed(&at.on(replicas.device(number)), plan))?;
        add_loss(&mut course.state, &part, &at, || names(lesson, batch))?;
        sum.add(&course.network, part.gradients);
    }
    let gradients = sum.take(&course.network);
    let batches = group.iter().flat_map(|(_, batch)| batch);
    update(course, gradients, &at, || names(lesson, batches))
}

fn names<'a, L: Lesson>(lesson: &L, cases: impl IntoIterator<Item = &'a usize>) -> String {
    let ids = cases.into_iter().map(|&case| lesson.id(case));
    ids.collect::<Vec<_>>().join(", ")
}

/// Adds the loss of a batch of `cases` to the sums of the epoch, and moves on to the next batch.
fn add_loss(
    state: &mut State,
    part: &Part<GradientsParams>,
    at: &At<'_>,
    cases: impl FnOnce() -> String,
) -> Result<(), TrainError> {
    for &(name, value) in &part.terms {
        match state.sums.iter_mut().find(|(known, _)| known == name) {
            Some((_, sum)) => *sum += f64::from(value),
            None => state.sums.push((name.to_owned(), f64::from(value))),
        }
    }
    let reading = part.loss();
    if !reading.is_finite() {
        return Err(TrainError::NotFinite {
            step: at.plan.name.to_owned(),
            what: "loss",
            value: f64::from(reading),
            place: state.place,
            lr: at.lr,
            norm: state.last_norm,
            cases: cases(),
        });
    }
    state.place.step += 1;
    let Place { epoch, step } = state.place;
    at.plan.progress.at(
        (epoch * at.length.batches + step) as u64,
        &format!(
            "epoch {}/{} loss {reading:.4}",
            epoch + 1,
            at.plan.training.epochs
        ),
    );
    Ok(())
}

/// Changes the network by the mean gradients over `cases`, and its moving average by the network.
fn update<M: Module>(
    mut course: Course<M>,
    mut gradients: GradientsParams,
    at: &At<'_>,
    cases: impl FnOnce() -> String,
) -> Result<Course<M>, TrainError> {
    let (training, state) = (at.plan.training, &mut course.state);
    let gradient_norm = norm(&course.network, &gradients).map_err(|why| at.gave_up(why))?;
    if !gradient_norm.is_finite() {
        return Err(TrainError::NotFinite {
            step: at.plan.name.to_owned(),
            what: "norm of the gradient",
            value: gradient_norm,
            place: at.begun,
            lr: at.lr,
            norm: state.last_norm,
            cases: cases(),
        });
    }
    if let Some(limit) = training.clip {
        gradients = clipped(&course.network, gradients, gradient_norm, limit);
    }
    state.norms += gradient_norm;
    state.last_norm = Some(gradient_norm);
    course.network = course.optimizer.step(course.network, gradients, at.lr);
    if let Some(decay) = training.ema {
        course.average = Some(averaged(course.average, &course.network, decay));
    }
    Ok(course)
}
