//! The optimizer's state on disk: a safetensors file with three entries a parameter at most.
//!
//! `PATH/step` holds the number of steps (one u64), `PATH/first` and `PATH/second` the moments (f32, flattened); the
//! file's metadata names the update rule. Values are stored exactly, so a resumed training repeats the one that ran
//! through bit for bit (on a device that is deterministic, as the CPU is).

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor, TensorData};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use weakseg_data::{DataError, atomic};

use super::{OptimConfig, Optimizer, Slot};
use crate::files;

/// A learning-rate group or a stored state that does not fit the network.
#[derive(Debug, thiserror::Error)]
pub enum OptimError {
    /// The file.
    #[error(transparent)]
    File(#[from] DataError),
    /// Not a state that this program wrote.
    #[error(
        "{}: not an optimizer state ({reason}); remove its folder to go on from the checkpoint before it",
        path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The state of another update rule.
    #[error("{}: holds the state of {found}, but the configuration asks for {expected}; a training cannot change its \
             optimizer half-way: set it back, or train anew", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
        /// Rule of the configuration.
        expected: String,
        /// Rule of the file.
        found: String,
    },
    /// The state of another network.
    #[error("{}: does not fit the network at `{parameter}` (state of {found} elements, parameter of {expected}); it was \
             written by another architecture", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Path of the parameter.
        parameter: String,
        /// Elements of the parameter, 0 where there is none.
        expected: usize,
        /// Elements in the file.
        found: usize,
    },
    /// A learning-rate group that holds nothing.
    #[error(
        "the learning-rate group `{group}` holds no parameter of the network that no group before it holds; the network's \
         parts are {parts} (`head` and `trunk` name the new part and all the rest)"
    )]
    EmptyGroup {
        /// The group.
        group: String,
        /// The network's parts.
        parts: String,
    },
}

const KIND: &str = "optimizer";

impl Optimizer {
    /// Writes the state, wholly or not at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), OptimError> {
        let mut entries: Vec<(String, Dtype, Vec<u8>)> = Vec::new();
        for (name, slot) in &self.slots {
            entries.push((
                format!("{name}/step"),
                Dtype::U64,
                slot.step.to_le_bytes().to_vec(),
            ));
            for (part, tensor) in [("first", &slot.first), ("second", &slot.second)] {
                if let Some(tensor) = tensor {
                    let values = tensor
                        .try_to_vec_as::<f32>()
                        .map_err(|e| OptimError::Format {
                            path: path.to_owned(),
                            reason: format!("`{name}` cannot be read from the device: {e}"),
                        })?;
                    let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
                    entries.push((format!("{name}/{part}"), Dtype::F32, bytes));
                }
            }
        }
        let views = entries.iter().map(|(name, dtype, bytes)| {
            let length = bytes.len() / if *dtype == Dtype::U64 { 8 } else { 4 };
            let view = TensorView::new(*dtype, vec![length], bytes)
                .expect("length times width is the byte count");
            (name.as_str(), view)
        });
        let metadata = HashMap::from([(KIND.to_owned(), kind_name(&self.config))]);
        let bytes =
            safetensors::serialize(views, Some(metadata)).map_err(|e| OptimError::Format {
                path: path.to_owned(),
                reason: e.to_string(),
            })?;
        Ok(atomic::write_durably(path, &bytes)?)
    }

    /// Takes the state of a file, in place of what the optimizer held.
    ///
    /// `module` is the network the state belongs to, with its parameters on the device they train on.
    ///
    /// # Errors
    /// When the file cannot be read, or belongs to another update rule or network; the optimizer is then as it was.
    pub fn load<M: Module>(&mut self, path: &Path, module: &M) -> Result<(), OptimError> {
        let bytes = files::read(path)?;
        let format = |reason: String| OptimError::Format {
            path: path.to_owned(),
            reason,
        };
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| format(e.to_string()))?;
        let found = header
            .metadata()
            .as_ref()
            .and_then(|m| m.get(KIND))
            .cloned();
        let found = found.ok_or_else(|| format("it does not name its optimizer".to_owned()))?;
        let expected = kind_name(&self.config);
        if found != expected {
            return Err(OptimError::Kind {
                path: path.to_owned(),
                expected,
                found,
            });
        }
        let mut places = Places::default();
        module.visit(&mut places);
        let mut slots: BTreeMap<String, Slot> = BTreeMap::new();
        for (name, view) in SafeTensors::deserialize(&bytes)
            .map_err(|e| format(e.to_string()))?
            .tensors()
        {
            let (parameter, part) = name
                .rsplit_once('/')
                .ok_or_else(|| format(format!("entry `{name}`")))?;
            let slot = slots.entry(parameter.to_owned()).or_default();
            match (part, view.dtype()) {
                ("step", Dtype::U64) => {
                    let step = view
                        .data()
                        .try_into()
                        .map_err(|_| format(format!("entry `{name}`")))?;
                    slot.step = u64::from_le_bytes(step);
                }
                ("first" | "second", Dtype::F32) => {
                    let values: Vec<f32> = view
                        .data()
                        .chunks_exact(4)
                        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                        .collect();
                    let place = places.found.get(parameter);
                    let expected = place.map_or(0, |(elements, _)| *elements);
                    let (Some((_, device)), true) = (place, expected == values.len()) else {
                        let (path, found) = (path.to_owned(), values.len());
                        return Err(OptimError::Foreign {
                            path,
                            parameter: parameter.to_owned(),
                            expected,
                            found,
                        });
                    };
                    let length = values.len();
                    let tensor = Tensor::from_data(TensorData::new(values, [length]), device);
                    if part == "first" {
                        slot.first = Some(tensor)
                    } else {
                        slot.second = Some(tensor)
                    }
                }
                _ => return Err(format(format!("entry `{name}`"))),
            }
        }
        self.slots = slots;
        Ok(())
    }
}

fn kind_name(config: &OptimConfig) -> String {
    format!("{:?}", config.kind).to_lowercase()
}

/// Number of elements and device (without autodiff) of each parameter.
#[derive(Default)]
struct Places {
    path: super::Path,
    found: BTreeMap<String, (usize, Device)>,
}

impl ModuleVisitor for Places {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.path.exit(container);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.val().inner();
        self.found.insert(
            self.path.join(),
            (tensor.dims().iter().product(), tensor.device()),
        );
    }
}
