//! The native half of the Python package `densecrf`: arrays come and go as bytes, in the machine's order.
//! Shapes are checked and given by the Python half, which has pydensecrf's names.

use densecrf::{
    Compatibility, CrfError, DenseCrf, Deviation, Features, Guide, Marginals, Normalization, Unary,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// A CRF with the unary that it was given last.
#[pyclass]
struct Crf {
    height: usize,
    width: usize,
    labels: usize,
    crf: DenseCrf,
    unary: Option<Unary>,
}

#[pymethods]
impl Crf {
    #[new]
    fn new(height: usize, width: usize, labels: usize) -> PyResult<Self> {
        let crf = DenseCrf::new(height, width, labels).map_err(error)?;
        Ok(Self {
            height,
            width,
            labels,
            crf,
            unary: None,
        })
    }

    /// Energies f32 `[K, N]`.
    fn set_unary(&mut self, energies: &[u8]) -> PyResult<()> {
        self.unary = Some(Unary::from_energies(numbers(energies), self.labels).map_err(error)?);
        Ok(())
    }

    fn gaussian(
        &mut self,
        py: Python<'_>,
        sxy: Vec<f32>,
        compat: Vec<f32>,
        normalization: u8,
    ) -> PyResult<()> {
        let compat = self.compatibility(compat)?;
        self.add(py, normalization, |crf| {
            crf.gaussian(Deviation::Each(sxy), compat)
        })
    }

    /// The guide: u8 `[H, W, C]`.
    #[allow(clippy::too_many_arguments)] // Those of addPairwiseBilateral.
    fn bilateral(
        &mut self,
        py: Python<'_>,
        sxy: Vec<f32>,
        srgb: Vec<f32>,
        guide: &[u8],
        channels: usize,
        compat: Vec<f32>,
        normalization: u8,
    ) -> PyResult<()> {
        let compat = self.compatibility(compat)?;
        let guide = Guide::interleaved(self.height, self.width, channels, guide).map_err(error)?;
        self.add(py, normalization, |crf| {
            crf.bilateral(Deviation::Each(sxy), Deviation::Each(srgb), &guide, compat)
        })
    }

    /// Features f32 `[N, D]`.
    fn pairwise(
        &mut self,
        py: Python<'_>,
        features: &[u8],
        dimensions: usize,
        compat: Vec<f32>,
        normalization: u8,
    ) -> PyResult<()> {
        let compat = self.compatibility(compat)?;
        let features = Features::new(numbers(features), dimensions).map_err(error)?;
        self.add(py, normalization, |crf| crf.pairwise(&features, compat))
    }

    /// Marginals f32 `[K, N]` after some iterations.
    fn infer<'py>(&self, py: Python<'py>, iterations: usize) -> PyResult<Bound<'py, PyBytes>> {
        let unary = self.unary()?;
        let found = py.detach(|| self.crf.infer(unary, iterations));
        Ok(bytes(py, found.map_err(error)?.q()))
    }

    /// Marginals f32 `[K, N]` one iteration after the given ones.
    fn step<'py>(&self, py: Python<'py>, q: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let (unary, marginals) = (self.unary()?, self.marginals(q)?);
        let found = py.detach(|| self.crf.step(unary, &marginals));
        Ok(bytes(py, found.map_err(error)?.q()))
    }

    /// The divergence of marginals f32 `[K, N]`.
    fn kl_divergence(&self, py: Python<'_>, q: &[u8]) -> PyResult<f64> {
        let (unary, marginals) = (self.unary()?, self.marginals(q)?);
        py.detach(|| self.crf.kl_divergence(unary, &marginals))
            .map_err(error)
    }
}

impl Crf {
    /// Adds a term; the CRF stays as it was if that fails.
    fn add(
        &mut self,
        py: Python<'_>,
        normalization: u8,
        term: impl FnOnce(DenseCrf) -> Result<DenseCrf, CrfError> + Send,
    ) -> PyResult<()> {
        let crf = self.crf.clone().normalization(match normalization {
            0 => Normalization::No,
            1 => Normalization::Before,
            2 => Normalization::After,
            3 => Normalization::Symmetric,
            _ => return Err(PyValueError::new_err("no such normalization")),
        });
        self.crf = py.detach(|| term(crf)).map_err(error)?;
        Ok(())
    }

    /// One weight, one for each label, or one for each pair of labels.
    fn compatibility(&self, weights: Vec<f32>) -> PyResult<Compatibility> {
        match weights.len() {
            1 => Ok(Compatibility::Potts(weights[0])),
            n if n == self.labels => Ok(Compatibility::Diagonal(weights)),
            n if n == self.labels * self.labels => Ok(Compatibility::Matrix(weights)),
            n => Err(PyValueError::new_err(format!(
                "compat has {n} values; expected 1, {k} or {k} x {k}",
                k = self.labels
            ))),
        }
    }

    fn unary(&self) -> PyResult<&Unary> {
        let missing = || PyValueError::new_err("call setUnaryEnergy first");
        self.unary.as_ref().ok_or_else(missing)
    }

    fn marginals(&self, q: &[u8]) -> PyResult<Marginals> {
        Marginals::new(self.height, self.width, self.labels, numbers(q)).map_err(error)
    }
}

fn error(error: CrfError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

fn numbers(bytes: &[u8]) -> Vec<f32> {
    let (numbers, _) = bytes.as_chunks::<4>();
    numbers.iter().map(|&b| f32::from_ne_bytes(b)).collect()
}

fn bytes<'py>(py: Python<'py>, numbers: &[f32]) -> Bound<'py, PyBytes> {
    let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_ne_bytes()).collect();
    PyBytes::new(py, &bytes)
}

#[pymodule]
fn _densecrf(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Crf>()
}
