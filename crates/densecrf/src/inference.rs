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

use crate::aligned::Aligned;
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

    /// How many of them travel in each wave of a term.
    pub(crate) fn groups(&self) -> Vec<usize> {
        match self.form() {
            Form::Lanes => vec![self.channels()],
            Form::Rows => rows::groups(self.channels()),
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
    /// The messages of every term, in waves of each group.
    Messages(&'a [Wave]),
    /// Marginals, `[K, N]` for each unary.
    Marginals(&'a [&'a [f32]]),
}

/// Where a run's marginals go.
pub(crate) enum Outgoing<'a> {
    /// To the copies of each term's vertices, those of each group.
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
    /// Of [`Form::Rows`] the logits of the unaries alone, `[block][lane][channels]`.
    pub(crate) logits: &'a [f32],
    /// One for each group of each term.
    pub(crate) scratch: &'a mut [Scratch],
}

/// Values of the vertices of one part.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) received: Aligned,
    pub(crate) sent: Aligned,
}

/// An inference under way.
pub(crate) struct Inference<'a> {
    problem: Problem<'a>,
    /// Values of a vertex that travel together, in waves of their own.
    groups: Vec<usize>,
    /// Those of each group of each term.
    waves: Vec<Wave>,
    logits: Aligned,
    /// Whether the waves hold messages.
    started: bool,
    scratch: Mutex<Vec<Vec<Scratch>>>,
}

impl<'a> Inference<'a> {
    pub(crate) fn new(problem: Problem<'a>) -> Self {
        let groups = problem.groups();
        let waves = (problem.terms.iter())
            .flat_map(|(kernel, _)| groups.iter().map(|width| kernel.wave(*width)));
        Self {
            problem,
            waves: waves.collect(),
            logits: match problem.form() {
                Form::Lanes => Aligned::default(),
                Form::Rows => rows::logits(problem),
            },
            groups,
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
        let mut waves = std::mem::take(&mut self.waves);
        let mut copies: Vec<Aligned> = waves
            .iter_mut()
            .map(|wave| std::mem::take(&mut wave.copies))
            .collect();
        let mut outgoing: Vec<Vec<&mut [f32]>> = Vec::new();
        outgoing.resize_with(self.problem.pixels.div_ceil(PART), Vec::new);
        for (at, copies) in copies.iter_mut().enumerate() {
            let (kernel, width) = self.traveller(at);
            let embedding = &kernel.embedding;
            let runs = embedding.split(copies, width, PART / embedding.part);
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
        waves.par_iter_mut().enumerate().for_each(|(at, wave)| {
            let (kernel, width) = self.traveller(at);
            kernel.apply(wave, width);
        });
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

    /// The kernel that a wave goes through, and its values per vertex.
    fn traveller(&self, wave: usize) -> (&Kernel, usize) {
        let groups = self.groups.len();
        let (kernel, _) = &self.problem.terms[wave / groups];
        (kernel, self.groups[wave % groups])
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
                    logits: &self.logits,
                    scratch: &mut scratch,
                });
                if let Ok(mut all) = self.scratch.lock() {
                    all.push(scratch);
                }
            });
    }

    fn new_scratch(&self) -> Vec<Scratch> {
        let form = self.problem.form();
        let scratch = |at| {
            let (kernel, width) = self.traveller(at);
            let parts = kernel.embedding.parts.iter();
            let most = parts.map(|part| part.vertices.len()).max().unwrap_or(0);
            match form {
                Form::Lanes => Scratch {
                    received: Aligned::zeros(MOST * width),
                    sent: Aligned::zeros(MOST * width),
                },
                Form::Rows => Scratch {
                    received: Aligned::zeros(most * width),
                    sent: Aligned::default(),
                },
            }
        };
        let travellers = self.problem.terms.len() * self.groups.len();
        (0..travellers).map(scratch).collect()
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
