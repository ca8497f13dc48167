//! The training loop.

use std::path::Path;
use std::thread::Scope;
use std::time::{Duration, Instant};

use burn::module::Module;
use weakseg_data::counted;
use weakseg_models::weights::Metadata;

use super::batches::{batches, drawn, open_batches};
use super::checkpoint::{self, CheckpointError, Course, Kind};
use super::loader::{Closing, Loader};
use super::replica::{FurtherDevice, Replicas, check_shares};
use super::state::State;
use super::step::{EpochLength, placed, rate, step};
use super::{Lesson, MetricLine, MetricLog, Monitor, Place, Select, Standstill, TrainError};
use crate::config::{LoaderConfig, Training};
use crate::optim::{Optimizer, ScheduleKind};
use crate::progress::{Progress, Stop};

/// Checkpoints inside an epoch are this far apart, so that a kill costs minutes, not an epoch of hours.
const BETWEEN_CHECKPOINTS: Duration = Duration::from_secs(180);

/// How [`fit`] runs.
pub struct Fit<'a> {
    /// Folder of the step: `checkpoints/`, `metrics.jsonl` and TensorBoard's events go here.
    pub folder: &'a Path,
    /// What the progress line calls it.
    pub name: &'a str,
    /// Epochs, batch, schedule and all else that the settings say of a training. Groups and the update rule are the
    /// optimizer's, order and augmentation the lesson's.
    pub training: &'a Training,
    /// How batches are made ahead; nothing in them depends on it.
    pub loader: &'a LoaderConfig,
    /// Written with every checkpoint.
    pub meta: &'a Metadata,
    /// What messages call the device that lesson and network are on, where there are further ones.
    pub device_name: &'a str,
    /// Devices that share the batches of every optimizer step with it; none where one device trains.
    pub further: &'a [FurtherDevice],
    /// Who watches.
    pub progress: &'a dyn Progress,
    /// Who may stop it.
    pub stop: &'a Stop,
}

/// Trains `network` to the end of the last epoch, or until early stopping, from the newest checkpoint in the step's
/// folder if there is one. What comes back is without autodiff: the last or the best epoch's network, as the settings
/// say, and its moving average where one is kept.
///
/// # Errors
/// See [`TrainError`]. [`TrainError::Stopped`] leaves a checkpoint from which the same call goes on.
pub fn fit<L: Lesson>(
    lesson: &mut L,
    network: L::Network,
    optimizer: Optimizer,
    plan: &Fit<'_>,
) -> Result<L::Network, TrainError> {
    check_shares(plan.name, plan.training, 1 + plan.further.len())?;
    let draw = lesson.draw();
    let loader = Loader::new(draw.as_ref(), plan.loader.ahead);
    let workers = match plan.loader.workers {
        0 => rayon::current_num_threads(),
        workers => workers,
    };
    std::thread::scope(|scope| {
        let _closing = Closing(&loader);
        for _ in 0..workers {
            scope.spawn(|| loader.work());
        }
        train(scope, lesson, network, optimizer, &loader, plan)
    })
}

fn train<'scope, L: Lesson + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    lesson: &mut L,
    network: L::Network,
    optimizer: Optimizer,
    loader: &Loader<'_, L::Draw>,
    plan: &Fit<'_>,
) -> Result<L::Network, TrainError> {
    optimizer
        .check_groups(&network)
        .map_err(CheckpointError::from)?;
    let checkpoints = plan.folder.join("checkpoints");
    let mut course = checkpoint::resume(&checkpoints, network, optimizer)?;
    check_start(&checkpoints, plan)?;
    let replicas = Replicas::start(scope, lesson, &course.network, plan.further)?;
    let log = MetricLog::open(plan.folder, course.state.place.epoch)?;
    let batches = batches(&lesson.order(0), plan).len();
    if batches == 0 {
        return Err(TrainError::Empty {
            why: format!("{} has an empty training split", plan.name),
        });
    }
    let length = EpochLength {
        batches,
        steps: batches.div_ceil(plan.training.accumulate),
    };
    plan.progress
        .begin(plan.name, (plan.training.epochs * batches) as u64);
    let mut saved = Instant::now();
    let mut queued = course.state.place;
    while !over(&course, plan) {
        let begun = Instant::now();
        let epoch = course.state.place.epoch;
        // The next epoch's too, so that the first of them are ready when this one has been validated.
        while queued.epoch <= epoch + 1 && queued.epoch < plan.training.epochs {
            loader.queue_up(open_batches(&lesson.order(queued.epoch), queued, plan));
            queued = Place {
                epoch: queued.epoch + 1,
                step: 0,
            };
        }
        let open: Vec<_> = open_batches(&lesson.order(epoch), course.state.place, plan).collect();
        for group in open.chunks(plan.training.accumulate) {
            let mut samples = Vec::with_capacity(group.len());
            for _ in group {
                samples.extend(loader.next(plan.stop)?);
            }
            // Fewer only if it is to stop; a step is taken whole or not at all.
            let whole = samples.len() == group.len();
            if whole {
                course = step(lesson, course, &replicas, group, samples, &length, plan)?;
            }
            let stop = !whole || plan.stop.asked();
            if stop || saved.elapsed() > BETWEEN_CHECKPOINTS {
                checkpoint::save(&checkpoints, Kind::Last, &course, plan.meta)?;
                saved = Instant::now();
            }
            if stop {
                plan.progress.end();
                return Err(TrainError::Stopped {
                    place: course.state.place,
                    epochs: plan.training.epochs,
                });
            }
        }
        let waited = [loader.waited(), begun.elapsed()];
        let improved = end_epoch(lesson, &mut course, &length, waited, &log, plan)?;
        let every = plan.training.keep_every;
        let kept = every > 0 && course.state.place.epoch.is_multiple_of(every);
        // Before the one to go on from, which speaks of the best one.
        for (asked, kind) in [
            (improved, Kind::Best),
            (kept, Kind::Every),
            (true, Kind::Last),
        ] {
            if asked {
                checkpoint::save(&checkpoints, kind, &course, plan.meta)?;
            }
        }
        saved = Instant::now();
    }
    plan.progress.end();
    let network = chosen(course, &checkpoints, plan)?;
    checkpoint::close(&checkpoints)?;
    Ok(network)
}

/// A training whose checkpoints were lost does not begin again as if it had never begun.
fn check_start(checkpoints: &Path, plan: &Fit<'_>) -> Result<(), CheckpointError> {
    if checkpoint::is_there(checkpoints)? {
        return Ok(());
    }
    let log = MetricLog::read(&plan.folder.join(MetricLog::FILE))?;
    if let Some(epochs) = log.iter().map(|line| line.epoch).max() {
        // The log of an epoch is written before its checkpoint, so that of the first one alone may be what a kill left.
        if epochs > 1 {
            return Err(CheckpointError::Gone {
                path: checkpoints.to_owned(),
                epochs,
            });
        }
    }
    if checkpoints.exists() {
        plan.progress.warn(&format!(
            "warning: {}: begins with its first epoch, for there is no checkpoint in {}",
            plan.name,
            checkpoints.display()
        ));
    }
    Ok(())
}

/// Whether nothing is left to train: the epochs are over, or too many of them brought no improvement.
fn over<M>(course: &Course<M>, plan: &Fit<'_>) -> bool {
    let patience = plan.training.patience;
    course.state.place.epoch >= plan.training.epochs
        || (patience > 0 && course.state.record.waited >= patience)
}

/// Validates, logs the epoch and moves on to the next; true if this was the best epoch so far. `waited` is how long
/// batches were waited for, and how long the epoch took; it is told and not logged, so that equal trainings leave equal
/// folders.
fn end_epoch<L: Lesson>(
    lesson: &mut L,
    course: &mut Course<L::Network>,
    length: &EpochLength,
    waited: [Duration; 2],
    log: &MetricLog,
    plan: &Fit<'_>,
) -> Result<bool, TrainError> {
    let training = plan.training;
    let epoch = course.state.place.epoch + 1;
    let figures = match &course.average {
        Some(average) => lesson.validate(average),
        None => lesson.validate(&course.network.valid()),
    };
    let place = format!("in the validation after epoch {epoch}");
    let figures = figures.map_err(placed(&place, plan))?;
    let state = &mut course.state;
    let lines = metric_lines(epoch, state, &figures, length, training);
    let loss = lines[0].value;
    tell(epoch, &lines, waited, plan);
    log.add(&lines)?;
    warn_of_standstill(lesson, log, plan)?;
    if epoch == 1 && figures.is_empty() && training.monitor != Monitor::Loss {
        plan.progress.note(&format!(
            "{} has no validation cases: the training loss is monitored in place of {}",
            plan.name,
            training.monitor.name()
        ));
    }
    let (figure, better) = training.monitor.reading(plan.name, &figures, loss)?;
    if training.schedule.kind == ScheduleKind::Plateau {
        state.plateau.watch(&training.schedule, better, figure);
    }
    let improved = state.record.note(epoch, figure, better);
    state.place = Place { epoch, step: 0 };
    state.sums.clear();
    state.norms = 0.0;
    Ok(improved)
}

/// What is logged of an epoch: the terms of the loss, the learning rate, the figures of the validation, the gradient's
/// norm.
fn metric_lines(
    epoch: usize,
    state: &State,
    figures: &[(&'static str, f64)],
    length: &EpochLength,
    training: &Training,
) -> Vec<MetricLine> {
    let line = |split: &str, name: &str, value: f64| MetricLine {
        epoch,
        step: epoch * length.steps,
        split: split.to_owned(),
        name: name.to_owned(),
        value,
    };
    let sums = state.sums.iter();
    let terms = sums.map(|(name, sum)| line("train", name, sum / length.batches as f64));
    let lr = rate(training, epoch * length.steps - 1, epoch - 1, length) * state.plateau.factor;
    let norm = state.norms / length.steps as f64;
    terms
        .chain([line("train", "lr", lr)])
        .chain(
            figures
                .iter()
                .map(|&(name, value)| line("val", name, value)),
        )
        .chain([line("train", "grad_norm", norm)])
        .collect()
}

/// Tells how an epoch went.
fn tell(epoch: usize, lines: &[MetricLine], waited: [Duration; 2], plan: &Fit<'_>) {
    let reading = |line: &MetricLine| match line.name.as_str() {
        // For whoever sets `clip`, who finds it in the report.
        "grad_norm" => None,
        "lr" => Some(format!("lr {:.1e}", line.value)),
        name => Some(format!("{} {name} {:.4}", line.split, line.value)),
    };
    let readings: Vec<String> = lines.iter().filter_map(reading).collect();
    plan.progress.note(&format!(
        "{} epoch {epoch}/{}: {}, waited for images {:.1} of {:.1} s",
        plan.name,
        plan.training.epochs,
        readings.join(", "),
        waited[0].as_secs_f64(),
        waited[1].as_secs_f64(),
    ));
}

fn warn_of_standstill<L: Lesson>(
    lesson: &L,
    log: &MetricLog,
    plan: &Fit<'_>,
) -> Result<(), TrainError> {
    let chance = |epoch: usize| {
        let order = lesson.order(epoch - 1);
        lesson.chance(drawn(&order, plan.training.batch))
    };
    if let Some(standstill) = Standstill::begun(&log.lines()?, plan.training, chance) {
        let warning = format!("warning: {}: {standstill}", plan.name);
        plan.progress.warn(&warning);
    }
    Ok(())
}

/// The network that a finished training gives.
fn chosen<M: Module>(
    course: Course<M>,
    checkpoints: &Path,
    plan: &Fit<'_>,
) -> Result<M, TrainError> {
    let Course {
        network,
        average,
        state,
        ..
    } = course;
    let (training, monitor) = (plan.training, plan.training.monitor.name());
    let epochs = state.place.epoch;
    if epochs < training.epochs {
        plan.progress.note(&format!(
            "{} ended early, after epoch {epochs} of {}: {} without a better {monitor}",
            plan.name,
            training.epochs,
            counted(training.patience, "epoch")
        ));
    }
    if training.select == Select::Last {
        return Ok(average.unwrap_or_else(|| network.valid()));
    }
    let Some((epoch, figure)) = state.record.best else {
        return Err(TrainError::NoBest {
            step: plan.name.to_owned(),
            monitor,
        });
    };
    plan.progress.note(&format!(
        "{} takes epoch {epoch} of {epochs}, the best ({figure:.4})",
        plan.name
    ));
    Ok(checkpoint::best_network(checkpoints, epoch, &network)?)
}
