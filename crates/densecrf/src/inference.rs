//! Mean-field inference: all pixels at once, a run of pixels at a time.
//!
//! Source: Krähenbühl and Koltun, "Efficient Inference in Fully Connected CRFs with Gaussian Edge
//! Potentials", 2011, algorithm 1.
//!
//! The pixels of a run receive the messages of every term, become marginals and send to every
//! term while all of it lies in the cache: neither messages nor marginals are stored. What remains of
//! an iteration happens among the vertices of each term ([`Kernel::apply`]).

use std::sync::{Arc, Mutex};

use rayon::prelude::*;

use crate::compatibility::Compatibility;
use crate::embedding::PART;
use crate::kernel::{Kernel, Wave};
use crate::part::MOST;
use crate::vectorized::vectorized;
use crate::{Unary, lanes, rows};

/// How the values of a pixel lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Neighbouring pixels side by side, for few labels. Labels from 1 travel; label 0 follows from
    /// the kernel's mass.
    Lanes,
    /// The labels of a pixel side by side, padded to a multiple of 8; all travel.
    Rows,
}

impl Form {
    pub(crate) fn of(labels: usize) -> Self {
        match labels {
            2..=5 => Self::Lanes,
            _ => Self::Rows,
        }
    }
}

/// What is inferred: the terms of a CRF and some unaries that go through them together.
#[derive(Clone, Copy)]
pub(crate) struct Problem<'a> {
    pub(crate) terms: &'a [(Arc<Kernel>, Compatibility)],
    pub(crate) unaries: &'a [&'a Unary],
    pub(crate) labels: usize,
    pub(crate) pixels: usize,
}

impl Problem<'_> {
    pub(crate) fn form(&self) -> Form {
        Form::of(self.labels)
    }

    /// Unaries that can go together.
    pub(crate) fn together(labels: usize) -> usize {
        match Form::of(labels) {
            Form::Lanes => 4 / (labels - 1),
            Form::Rows => 1,
        }
    }

    /// Values per vertex.
    pub(crate) fn channels(&self) -> usize {
        match self.form() {
            Form::Lanes => self.unaries.len() * (self.labels - 1),
            Form::Rows => self.labels.next_multiple_of(8),
        }
    }

    /// Pixels that are worked on between changes of a part: those of the smallest ones.
    pub(crate) fn segment(&self) -> usize {
        let parts = self.terms.iter().map(|(kernel, _)| kernel.embedding.part);
        parts.min().unwrap_or(PART)
    }
}

/// What the pixels start from.
#[derive(Clone, Copy)]
pub(crate) enum Incoming<'a> {
    /// The unaries alone.
    Nothing,
    /// The messages of every term.
    Messages(&'a [Wave]),
    /// Marginals, `[K, N]` for each unary.
    Marginals(&'a [&'a [f32]]),
}

/// Where a run's marginals go.
pub(crate) enum Outgoing<'a> {
    /// To the copies of each term's vertices.
    Copies(Vec<&'a mut [f32]>),
    /// To planes: one of each unary and label.
    Planes(Vec<&'a mut [f32]>),
    /// Nowhere: the divergence of given marginals, `[K, N]` for each unary, is added up.
    Divergence(&'a [&'a [f32]], &'a mut f64),
}

/// A run of at most [`PART`] pixels.
pub(crate) struct Run<'a> {
    pub(crate) problem: Problem<'a>,
    pub(crate) incoming: Incoming<'a>,
    pub(crate) outgoing: Outgoing<'a>,
    /// The run's first pixel, and their number.
    pub(crate) first: usize,
    pub(crate) pixels: usize,
    /// One for each term.
    pub(crate) scratch: &'a mut [Scratch],
}

/// Values of the vertices of one part.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) received: Vec<f32>,
    pub(crate) sent: Vec<f32>,
}

/// An inference under way.
pub(crate) struct Inference<'a> {
    problem: Problem<'a>,
    waves: Vec<Wave>,
    /// Whether the waves hold messages.
    started: bool,
    scratch: Mutex<Vec<Vec<Scratch>>>,
}

impl<'a> Inference<'a> {
    pub(crate) fn new(problem: Problem<'a>) -> Self {
        let channels = problem.channels();
        let terms = problem.terms.iter();
        Self {
            problem,
            waves: terms.map(|(kernel, _)| kernel.wave(channels)).collect(),
            started: false,
            scratch: Mutex::default(),
        }
    }

    /// One iteration, from the messages or, at the start, the unaries.
    pub(crate) fn step(&mut self) {
        self.send(None);
    }

    /// Marginals to messages.
    pub(crate) fn send(&mut self, marginals: Option<&[&[f32]]>) {
        let channels = self.problem.channels();
        let mut waves = std::mem::take(&mut self.waves);
        let mut copies: Vec<Vec<f32>> = waves
            .iter_mut()
            .map(|wave| std::mem::take(&mut wave.copies))
            .collect();
        let mut outgoing: Vec<Vec<&mut [f32]>> = Vec::new();
        outgoing.resize_with(self.problem.pixels.div_ceil(PART), Vec::new);
        for ((kernel, _), copies) in self.problem.terms.iter().zip(&mut copies) {
            let embedding = &kernel.embedding;
            let runs = embedding.split(copies, channels, PART / embedding.part);
            for (outgoing, own) in outgoing.iter_mut().zip(runs) {
                outgoing.push(own);
            }
        }
        let incoming = match marginals {
            Some(marginals) => Incoming::Marginals(marginals),
            None if self.started => Incoming::Messages(&waves),
            None => Incoming::Nothing,
        };
        let outgoing = outgoing.into_iter().map(Outgoing::Copies).collect();
        self.pass(incoming, outgoing);

        for (wave, copies) in waves.iter_mut().zip(copies) {
            wave.copies = copies;
        }
        (waves.par_iter_mut().zip(self.problem.terms))
            .for_each(|(wave, (kernel, _))| kernel.apply(wave, channels));
        self.waves = waves;
        self.started = true;
    }

    /// The marginals, `[K, N]` for each unary.
    pub(crate) fn marginals(&self) -> Vec<Vec<f32>> {
        let Problem { labels, pixels, .. } = self.problem;
        let mut all = vec![vec![0.0; labels * pixels]; self.problem.unaries.len()];
        let mut outgoing: Vec<Vec<&mut [f32]>> = Vec::new();
        outgoing.resize_with(pixels.div_ceil(PART), Vec::new);
        for plane in all.iter_mut().flat_map(|q| q.chunks_exact_mut(pixels)) {
            for (outgoing, own) in outgoing.iter_mut().zip(plane.chunks_mut(PART)) {
                outgoing.push(own);
            }
        }
        let outgoing = outgoing.into_iter().map(Outgoing::Planes).collect();
        self.pass(self.incoming(), outgoing);
        all
    }

    /// The divergence of marginals whose messages have been sent.
    pub(crate) fn divergence(&self, marginals: &[&[f32]]) -> f64 {
        let mut sums = vec![0.0; self.problem.pixels.div_ceil(PART)];
        let outgoing = sums.iter_mut();
        let outgoing = outgoing.map(|sum| Outgoing::Divergence(marginals, sum));
        self.pass(self.incoming(), outgoing.collect());
        sums.iter().sum()
    }

    fn incoming(&self) -> Incoming<'_> {
        if self.started {
            Incoming::Messages(&self.waves)
        } else {
            Incoming::Nothing
        }
    }

    /// All pixels, a run each for the elements of `outgoing`.
    fn pass(&self, incoming: Incoming<'_>, outgoing: Vec<Outgoing<'_>>) {
        let problem = self.problem;
        outgoing
            .into_par_iter()
            .enumerate()
            .for_each(|(number, outgoing)| {
                let kept = |kept: &mut Vec<Vec<Scratch>>| kept.pop();
                let scratch = self.scratch.lock().ok().and_then(|mut all| kept(&mut all));
                let mut scratch = scratch.unwrap_or_else(|| self.new_scratch());
                let first = number * PART;
                pass(Run {
                    problem,
                    incoming,
                    outgoing,
                    first,
                    pixels: PART.min(problem.pixels - first),
                    scratch: &mut scratch,
                });
                if let Ok(mut all) = self.scratch.lock() {
                    all.push(scratch);
                }
            });
    }

    fn new_scratch(&self) -> Vec<Scratch> {
        let channels = self.problem.channels();
        let form = self.problem.form();
        let kernels = self.problem.terms.iter().map(|(kernel, _)| kernel);
        kernels
            .map(|kernel| {
                let parts = kernel.embedding.parts.iter();
                let most = parts.map(|part| part.vertices.len()).max().unwrap_or(0);
                match form {
                    Form::Lanes => Scratch {
                        received: vec![0.0; MOST * channels],
                        sent: vec![0.0; MOST * channels],
                    },
                    Form::Rows => Scratch {
                        received: vec![0.0; most * channels],
                        sent: Vec::new(),
                    },
                }
            })
            .collect()
    }
}

vectorized! {
    /// Takes a run's pixels from what comes in to what goes out.
    fn pass<'a>(run: Run<'a>) {
        match (run.problem.form(), run.problem.channels()) {
            (Form::Lanes, 1) => lanes::run::<1>(run),
            (Form::Lanes, 2) => lanes::run::<2>(run),
            (Form::Lanes, 3) => lanes::run::<3>(run),
            (Form::Lanes, _) => lanes::run::<4>(run),
            (Form::Rows, _) => rows::run(run),
        }
    }
}
