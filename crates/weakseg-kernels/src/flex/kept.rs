//! Weights that do not change, of networks that infer and of frozen layers, with what was made of them, for the next
//! batch.
//!
//! A weight is known by where its values lie. It is held here as long as what was made of it: nobody writes over a
//! tensor that somebody else holds, nor is its memory given to another, so what lies there stays this weight.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::backend::tensor::FloatTensor;
use burn::backend::{DType, Flex, TensorMetadata};

use crate::conv::Layouts;

/// A weight and its layouts.
pub(super) struct Kept {
    weight: FloatTensor<Flex>,
    groups: usize,
    pub layouts: Layouts,
}

/// By address.
#[derive(Default)]
pub(super) struct Weights(BTreeMap<usize, Arc<Kept>>);

static WEIGHTS: Mutex<Weights> = Mutex::new(Weights(BTreeMap::new()));

/// Those of the process.
pub(super) fn weights() -> MutexGuard<'static, Weights> {
    // Nothing here panics half-way through a change.
    WEIGHTS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Weights {
    /// Makes room for the layouts of a weight in convolutions with so many groups.
    pub fn keep(&mut self, weight: &FloatTensor<Flex>, groups: usize) {
        let Some(at) = address(weight).filter(|at| !self.0.contains_key(at)) else {
            return;
        };
        self.let_go();
        let kept = Kept {
            weight: weight.clone(),
            groups,
            layouts: Layouts::default(),
        };
        self.0.insert(at, Arc::new(kept));
    }

    /// What is kept of a weight.
    pub fn find(&self, weight: &FloatTensor<Flex>, groups: usize) -> Option<Arc<Kept>> {
        let kept = self.0.get(&address(weight)?)?;
        // The same memory seen as another weight has its layouts made each time.
        let same = kept.groups == groups && kept.weight.shape() == weight.shape();
        same.then(|| Arc::clone(kept))
    }

    /// Lets go of a weight.
    pub fn forget(&mut self, weight: &FloatTensor<Flex>) {
        if let Some(at) = address(weight) {
            self.0.remove(&at);
        }
        self.let_go();
    }

    /// Lets go of weights that nobody else holds any more.
    fn let_go(&mut self) {
        self.0.retain(|_, kept| !kept.weight.is_unique());
    }
}

/// Where the values of a weight lie, if they are f32 and in one piece.
fn address(weight: &FloatTensor<Flex>) -> Option<usize> {
    let values = (weight.dtype() == DType::F32).then(|| weight.as_slice::<f32>())?;
    values.map(|values| values.as_ptr().addr())
}

#[cfg(test)]
mod tests {
    use burn::backend::ops::FloatTensorOps;
    use burn::backend::{Autodiff, AutodiffBackend};

    use super::super::tensors::{own_values, tensor};
    use super::*;
    use crate::conv::ConvOptions;
    use crate::ops::NetworkOps;

    fn weight(value: f32) -> FloatTensor<Flex> {
        tensor(vec![value; 24], &[6, 4, 1, 1])
    }

    #[test]
    fn a_weight_is_found_as_long_as_somebody_holds_it() {
        let mut weights = Weights::default();
        let (first, second) = (weight(1.0), weight(2.0));
        assert!(weights.find(&first, 1).is_none());
        weights.keep(&first, 1);
        weights.keep(&second, 1);
        let found = weights.find(&first, 1).expect("kept");
        weights.keep(&first, 1);
        assert!(Arc::ptr_eq(&found, &weights.find(&first, 1).expect("kept")));
        drop(first);
        weights.keep(&weight(3.0), 1);
        assert_eq!(weights.0.len(), 2, "the first is gone");
        assert!(weights.find(&second, 1).is_some());
        let other = weight(4.0);
        weights.keep(&other, 1);
        weights.forget(&second);
        assert!(weights.find(&second, 1).is_none());
        drop(other);
        weights.forget(&second);
        assert!(weights.0.is_empty(), "what others hold no more goes too");
    }

    #[test]
    fn the_same_memory_is_another_weight_with_another_shape_or_groups() {
        let mut weights = Weights::default();
        let weight = weight(1.0);
        weights.keep(&weight, 1);
        assert!(weights.find(&weight, 2).is_none());
        let other = weight.reshape([4, 6, 1, 1].into());
        assert_eq!(address(&other), address(&weight));
        assert!(weights.find(&other, 1).is_none());
        assert!(weights.find(&weight, 1).is_some());
    }

    #[test]
    fn nobody_writes_over_a_weight_that_is_kept() {
        let mut weights = Weights::default();
        let mut weight = weight(1.0);
        assert!(own_values(&mut weight).is_some());
        weights.keep(&weight, 1);
        assert!(own_values(&mut weight).is_none());
        weights.forget(&weight);
        assert!(own_values(&mut weight).is_some());
    }

    #[test]
    fn inference_keeps_a_weight_and_a_graph_lets_go_of_it() {
        type Graph = Autodiff<Flex>;
        let x = || tensor(vec![0.5; 2 * 4 * 9], &[2, 4, 3, 3]);
        let weight = weight(1.0);
        let options = ConvOptions::default();
        let found = || weights().find(&weight, 1);
        let _ = <Flex as NetworkOps>::convolve(x(), weight.clone(), options);
        let first = found().expect("kept by an inference");
        let graph = |tracked: bool| {
            let lifted = <Graph as AutodiffBackend>::from_inner(weight.clone());
            let lifted = Graph::float_set_require_grad(lifted, tracked);
            let x = <Graph as AutodiffBackend>::from_inner(x());
            let _ = <Graph as NetworkOps>::convolve(x, lifted, options);
        };
        graph(false);
        let again = found().expect("kept, for the layer is frozen");
        assert!(Arc::ptr_eq(&first, &again));
        graph(true);
        assert!(found().is_none());
    }
}
