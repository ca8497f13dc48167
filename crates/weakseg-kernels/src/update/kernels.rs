//! The steps on f32 values, on all threads. The numbers are rounded to f32 first, as tensors times
//! numbers are.

use rayon::prelude::*;

use super::{AdamStep, SgdStep};
use crate::instructions::{Instructions, per_instruction_set};

/// Values of a task.
const CHUNK: usize = 1 << 14;

pub(super) fn descend(set: Instructions, parameter: &mut [f32], gradient: &[f32], step: SgdStep) {
    assert_eq!(parameter.len(), gradient.len(), "sizes");
    parameter
        .par_chunks_mut(CHUNK)
        .zip(gradient.par_chunks(CHUNK))
        .for_each(|(parameter, gradient)| descend_chunk(set, parameter, gradient, step));
}

pub(super) fn descend_with_momentum(
    set: Instructions,
    parameter: &mut [f32],
    gradient: &[f32],
    buffer: &mut [f32],
    step: SgdStep,
) {
    assert_eq!(
        [parameter.len(); 2],
        [gradient.len(), buffer.len()],
        "sizes"
    );
    parameter
        .par_chunks_mut(CHUNK)
        .zip(gradient.par_chunks(CHUNK))
        .zip(buffer.par_chunks_mut(CHUNK))
        .for_each(|((parameter, gradient), buffer)| {
            momentum_chunk(set, parameter, gradient, buffer, step);
        });
}

pub(super) fn descend_adaptively(
    set: Instructions,
    parameter: &mut [f32],
    gradient: &[f32],
    [first, second]: [&mut [f32]; 2],
    step: AdamStep,
) {
    let lengths = [gradient.len(), first.len(), second.len()];
    assert_eq!([parameter.len(); 3], lengths, "sizes");
    parameter
        .par_chunks_mut(CHUNK)
        .zip(gradient.par_chunks(CHUNK))
        .zip(
            first
                .par_chunks_mut(CHUNK)
                .zip(second.par_chunks_mut(CHUNK)),
        )
        .for_each(|((parameter, gradient), (first, second))| {
            adam_chunk(set, parameter, gradient, first, second, step);
        });
}

per_instruction_set! {
    fn descend_chunk[](parameter: &mut [f32], gradient: &[f32], step: SgdStep) {
        let (lr, decay) = (step.lr as f32, step.weight_decay as f32);
        for (parameter, gradient) in parameter.iter_mut().zip(gradient) {
            let gradient = decayed(*gradient, *parameter, decay);
            *parameter -= gradient * lr;
        }
    }
}

per_instruction_set! {
    fn momentum_chunk[](
        parameter: &mut [f32],
        gradient: &[f32],
        buffer: &mut [f32],
        step: SgdStep,
    ) {
        let (lr, decay) = (step.lr as f32, step.weight_decay as f32);
        let momentum = step.momentum as f32;
        let values = parameter.iter_mut().zip(gradient).zip(buffer);
        for ((parameter, gradient), buffer) in values {
            let gradient = decayed(*gradient, *parameter, decay);
            *buffer = *buffer * momentum + gradient;
            let ahead = *buffer * momentum + gradient;
            *parameter -= (if step.nesterov { ahead } else { *buffer }) * lr;
        }
    }
}

per_instruction_set! {
    fn adam_chunk[](
        parameter: &mut [f32],
        gradient: &[f32],
        first: &mut [f32],
        second: &mut [f32],
        step: AdamStep,
    ) {
        let [beta1, beta2] = step.betas.map(|beta| beta as f32);
        let [new1, new2] = step.betas.map(|beta| (1.0 - beta) as f32);
        let (decay, shrink) = (step.weight_decay as f32, step.shrink as f32);
        let (root, epsilon, rate) = (step.root as f32, step.epsilon as f32, step.step as f32);
        let values = parameter.iter_mut().zip(gradient);
        for ((parameter, gradient), (first, second)) in values.zip(first.iter_mut().zip(second)) {
            let gradient = decayed(*gradient, *parameter, decay);
            *first = *first * beta1 + gradient * new1;
            *second = *second * beta2 + gradient * gradient * new2;
            let direction = if step.adaptive {
                *first / (second.sqrt() / root + epsilon)
            } else {
                *first
            };
            *parameter = *parameter * shrink - direction * rate;
        }
    }
}

/// The gradient with weight decay, left alone by none (which would turn an infinite parameter's into
/// no number).
#[inline(always)]
fn decayed(gradient: f32, parameter: f32, decay: f32) -> f32 {
    if decay == 0.0 {
        gradient
    } else {
        parameter * decay + gradient
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_gives_the_same_bytes() {
        let numbers = |seed: f32| -> Vec<f32> {
            let count = CHUNK + 37;
            (0..count).map(|at| (at as f32 * seed).sin()).collect()
        };
        let all = |set| -> Vec<Vec<u32>> {
            let gradient = numbers(0.7);
            let sgd = SgdStep {
                lr: 0.1,
                momentum: 0.9,
                nesterov: true,
                weight_decay: 0.01,
            };
            let adam = AdamStep {
                step: 0.1,
                root: 0.3,
                epsilon: 1e-8,
                betas: [0.9, 0.999],
                weight_decay: 0.0,
                shrink: 0.99,
                adaptive: true,
            };
            let mut parameters = [numbers(0.3), numbers(0.4), numbers(0.5)];
            let [plain, momentum, adaptive] = &mut parameters;
            let (mut buffer, mut first) = (numbers(0.2), numbers(0.1));
            let mut second: Vec<f32> = numbers(0.6).iter().map(|v| v * v).collect();
            descend(set, plain, &gradient, sgd);
            descend_with_momentum(set, momentum, &gradient, &mut buffer, sgd);
            descend_adaptively(set, adaptive, &gradient, [&mut first, &mut second], adam);
            let found = parameters.into_iter().chain([buffer, first, second]);
            found
                .map(|values| values.into_iter().map(f32::to_bits).collect())
                .collect()
        };
        let sets = Instructions::available();
        for set in &sets[1..] {
            assert_eq!(all(*set), all(sets[0]), "{set:?}");
        }
    }
}
