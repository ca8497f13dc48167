//! How an epoch's order is cut into batches.

use super::{Fit, Place};

/// The batches of an epoch.
pub(super) fn batches(order: &[usize], plan: &Fit<'_>) -> Vec<Vec<usize>> {
    let size = plan.training.batch;
    drawn(order, size)
        .chunks(size)
        .map(<[usize]>::to_vec)
        .collect()
}

/// The batches of an epoch from a place on, each with its own.
pub(super) fn open_batches(
    order: &[usize],
    from: Place,
    plan: &Fit<'_>,
) -> impl Iterator<Item = (Place, Vec<usize>)> {
    let epoch = from.epoch;
    let all = batches(order, plan).into_iter().enumerate();
    all.skip(from.step)
        .map(move |(step, cases)| (Place { epoch, step }, cases))
}

/// The cases of an order that are in a batch: all but those of a last one that is not full, if it is not the only one.
pub(crate) fn drawn(order: &[usize], batch: usize) -> &[usize] {
    match order.len() / batch * batch {
        0 => order,
        whole => &order[..whole],
    }
}
