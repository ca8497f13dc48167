//! Files of weights as PyTorch writes them (tests/oracle/checkpoints.py), and as they are when something is wrong.

use std::collections::HashMap;
use std::fs;
use std::io::{Cursor, Read};
use std::path::Path;

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use safetensors::tensor::{Dtype, TensorView};
use weakseg_models::Normalisation;
use weakseg_models::weights::{
    LoadReport, Metadata, WeightsError, WeightsFile, WeightsFormat, load_safetensors,
    save_safetensors,
};

use super::values;

/// The network of the oracle's tensors.
#[derive(Module, Debug)]
pub struct Net {
    linear: Linear,
    conv: Conv,
    norm: Norm,
}

#[derive(Module, Debug)]
struct Linear {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

#[derive(Module, Debug)]
struct Conv {
    weight: Param<Tensor<4>>,
}

#[derive(Module, Debug)]
struct Norm {
    running_mean: Param<Tensor<1>>,
}

impl Net {
    pub fn new() -> Self {
        let device = Device::flex();
        let zeros = |n: usize| Tensor::<1>::zeros([n], &device);
        Self {
            linear: Linear {
                weight: Param::from_tensor(zeros(6).reshape([2, 3])),
                bias: Param::from_tensor(zeros(2)),
            },
            conv: Conv {
                weight: Param::from_tensor(zeros(24).reshape([2, 3, 2, 2])),
            },
            norm: Norm {
                running_mean: Param::from_tensor(zeros(2)),
            },
        }
    }

    /// All its values, in the order of the script.
    fn values(&self) -> Vec<f32> {
        [
            values(self.linear.weight.val()),
            values(self.linear.bias.val()),
            values(self.conv.weight.val()),
            values(self.norm.running_mean.val()),
        ]
        .concat()
    }
}

/// The values that the script wrote.
fn expected() -> Vec<f32> {
    let row = |count: u8, start: f32| (0..count).map(move |i| f32::from(i) / 4.0 + start);
    row(6, -0.5)
        .chain(row(2, 3.0))
        .chain(row(24, -8.0))
        .chain(row(2, 16.0))
        .collect()
}

/// One file of the oracle, which is an archive in an archive.
pub fn oracle(name: &str) -> Vec<u8> {
    let entry = |archive: &[u8], name: &str| {
        let mut archive = zip::ZipArchive::new(Cursor::new(archive)).unwrap();
        let mut bytes = Vec::new();
        let mut entry = archive.by_name(name).unwrap();
        entry.read_to_end(&mut bytes).unwrap();
        bytes
    };
    let files = entry(include_bytes!("../oracle/checkpoints.zip"), "files.zip");
    entry(&files, name)
}

fn load(bytes: &[u8]) -> Result<(Vec<f32>, LoadReport), WeightsError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.pth");
    fs::write(&path, bytes).unwrap();
    let (net, report) = load_safetensors(Net::new(), &path)?;
    Ok((net.values(), report))
}

/// The message of a refusal, which names the file.
fn refusal(bytes: &[u8]) -> String {
    let message = load(bytes)
        .map(|(_, report)| report)
        .unwrap_err()
        .to_string();
    assert!(message.contains("weights.pth"), "{message}");
    message
}

#[test]
fn every_form_of_the_same_tensors_gives_the_same_network() {
    for name in [
        "plain",
        "float16",
        "views",
        "counter",
        "state_dict",
        "protocol4",
        "plain_legacy",
        "float16_legacy",
        "bfloat16_legacy",
        "float64_legacy",
        "views_legacy",
        "counter_legacy",
        "state_dict_legacy",
        "model_state_dict_legacy",
        "model_legacy",
        "net_legacy",
        "data_parallel_legacy",
        "parameters_legacy",
    ] {
        let (found, report) =
            load(&oracle(&format!("{name}.pth"))).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(found, expected(), "{name}");
        assert_eq!(report.applied.len(), 4, "{name}");
        let notes = report.notes.join("\n");
        let says = |what: &str| assert!(notes.contains(what), "{name}: {what} is not in: {notes}");
        assert_eq!(notes.contains("no checksums"), name.ends_with("_legacy"));
        match name.trim_end_matches("_legacy") {
            nested @ ("state_dict" | "model_state_dict" | "model" | "net") => {
                says(&format!("under `{nested}`"));
                if nested.ends_with("state_dict") {
                    says("left aside beside it: best, epoch, optimizer");
                }
            }
            "data_parallel" => says("`module.` was taken off every key"),
            "plain" => assert_eq!(report.notes.len(), usize::from(name.ends_with("_legacy"))),
            _ => {}
        }
    }
}

#[test]
fn the_format_is_told_by_the_bytes_not_by_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    for (name, format) in [
        ("plain.pth", WeightsFormat::PytorchZip),
        ("plain_legacy.pth", WeightsFormat::PytorchLegacy),
    ] {
        fs::write(&path, oracle(name)).unwrap();
        let file = WeightsFile::read(&path).unwrap();
        assert_eq!(file.format(), format);
        assert_eq!(file.shapes()["conv.weight"], [2, 3, 2, 2]);
    }
}

#[test]
fn what_is_no_state_dict_of_floats_is_refused_by_name() {
    let error = refusal(&oracle("integer_legacy.pth"));
    assert!(
        error.contains("index in") && error.contains("I64"),
        "{error}"
    );
    let error = refusal(&oracle("nan_legacy.pth"));
    assert!(
        error.contains("conv.weight") && error.contains("element 14"),
        "{error}"
    );
    for name in ["whole_model", "whole_model_legacy"] {
        let error = refusal(&oracle(&format!("{name}.pth")));
        assert!(error.contains("`__main__.Net`"), "{error}");
        assert!(error.contains("model.state_dict()"), "{error}");
    }
    let error = refusal(&oracle("no_tensors_legacy.pth"));
    assert!(error.contains("no tensors"), "{error}");
    let error = refusal(&oracle("list_legacy.pth"));
    assert!(error.contains("no state dict"), "{error}");
}

#[test]
fn a_hostile_pickle_is_named_and_not_run() {
    for name in [
        "hostile",
        "hostile_legacy",
        "hostile_protocol4",
        "hostile_pickle",
    ] {
        let bytes = oracle(&format!("{name}.pth"));
        let error = load(&bytes).map(|_| ()).unwrap_err();
        assert!(
            matches!(&error, WeightsError::Global { global, .. } if global == "posix.system"),
            "{name}: {error}"
        );
        assert!(error.to_string().contains("Nothing of it was run"));
    }
    // As Python 2 and hand-made files spell it.
    let error = load(b"cos\nsystem\n(S'touch hostile-was-run'\ntR.")
        .map(|_| ())
        .unwrap_err();
    assert!(
        matches!(&error, WeightsError::Global { global, .. } if global == "os.system"),
        "{error}"
    );
    assert!(!Path::new("hostile-was-run").exists());
}

#[test]
fn a_few_bytes_that_claim_to_be_many_are_refused_before_they_are() {
    for name in ["expanded.pth", "expanded_legacy.pth"] {
        let error = refusal(&oracle(name));
        assert!(
            error.contains("bomb of shape [50000000]") && error.contains("200000136 bytes"),
            "{error}"
        );
    }
}

#[test]
fn a_cut_file_is_refused_at_every_length() {
    for name in ["plain.pth", "plain_legacy.pth"] {
        let whole = oracle(name);
        for length in 0..whole.len() {
            let message = refusal(&whole[..length]);
            assert!(message.contains("not a sound file"), "{length}: {message}");
        }
    }
    assert!(refusal(b"").contains("it is empty"));
    let cut = &oracle("plain.pth")[..1500];
    assert!(refusal(cut).contains("cut off"), "{}", refusal(cut));
}

#[test]
fn other_files_are_refused_with_what_they_are() {
    let error = refusal(b"<!DOCTYPE html><title>404</title>");
    assert!(error.contains("begins with `<!DOCTYPE html>"), "{error}");
    let error = refusal(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n");
    assert!(error.contains("Git LFS"), "{error}");
    let mut tar = vec![0; 512];
    tar[257..262].copy_from_slice(b"ustar");
    assert!(refusal(&tar).contains("tar file"));
    let folder = tempfile::tempdir().unwrap();
    let error = WeightsFile::read(folder.path()).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("no file"), "{error}");
    // A zip file of something else.
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    writer.start_file("readme.txt", stored).unwrap();
    let error = refusal(&writer.finish().unwrap().into_inner());
    assert!(error.contains("data.pkl"), "{error}");
}

/// The place of a tensor's bytes in a file.
fn place(bytes: &[u8], values: &[f32]) -> usize {
    let wanted: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let found = bytes.windows(wanted.len()).position(|w| w == wanted);
    found.expect("the tensor is stored as it is")
}

#[test]
fn one_changed_bit_of_a_tensor_is_found_and_its_key_named() {
    let mut bytes = oracle("plain.pth");
    let at = place(&bytes, &[3.0, 3.25]);
    bytes[at + 1] ^= 1;
    let error = refusal(&bytes);
    assert!(
        error.contains("linear.bias") && error.contains("checksum"),
        "{error}"
    );
    // Two tensors in one storage, neither of which fills it: only the archive's entry can be named.
    let mut bytes = oracle("views.pth");
    let at = place(&bytes, &[3.0, 3.25]);
    bytes[at + 1] ^= 1;
    let error = refusal(&bytes);
    assert!(
        error.contains("archive/data/") && error.contains("checksum"),
        "{error}"
    );
}

#[test]
fn one_changed_bit_anywhere_is_refused_or_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let (net, _) = {
        fs::write(&path, oracle("plain.pth")).unwrap();
        load_safetensors(Net::new(), &path).unwrap()
    };
    let metadata = Metadata::new("net", 2, 1.0, Normalisation::IMAGENET);
    save_safetensors(&net, &path, &metadata).unwrap();
    for (name, whole) in [
        ("plain.pth", oracle("plain.pth")),
        ("views.pth", oracle("views.pth")),
        ("safetensors", fs::read(&path).unwrap()),
    ] {
        let mut refused = 0;
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            match load(&bytes) {
                Ok((found, _)) => assert_eq!(found, expected(), "{name}, byte {at}"),
                Err(_) => refused += 1,
            }
        }
        assert!(refused > 300, "{name}: {refused} of {}", whole.len());
    }
}

#[test]
fn changed_numbers_of_a_file_that_we_wrote_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.pth");
    let metadata = Metadata::new("net", 2, 1.0, Normalisation::IMAGENET);
    save_safetensors(&Net::new(), &path, &metadata).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 3;
    bytes[last] ^= 4;
    let error = refusal(&bytes);
    assert!(error.contains("SHA-256 of its numbers"), "{error}");
}

/// Changes the first occurrence of `from` behind `start`.
fn patch(bytes: &mut [u8], start: &[u8], offset: usize, to: &[u8]) {
    let at = bytes.windows(start.len()).position(|w| w == start).unwrap() + offset;
    bytes[at..at + to.len()].copy_from_slice(to);
}

#[test]
fn an_archive_that_lies_about_sizes_is_refused() {
    // Offsets in a central directory record (PKWARE APPNOTE 4.3.12): method 10, compressed size 20, size 24.
    const RECORD: &[u8] = b"PK\x01\x02";
    let mut compressed = oracle("plain.pth");
    patch(&mut compressed, RECORD, 10, &[8, 0]);
    let error = refusal(&compressed);
    assert!(error.contains("compressed"), "{error}");
    let mut larger = oracle("plain.pth");
    patch(&mut larger, RECORD, 20, &[0, 0, 0, 0x7f, 0, 0, 0, 0x7f]);
    let error = refusal(&larger);
    assert!(error.contains("2130706432 bytes"), "{error}");
    let mut one = oracle("plain.pth");
    patch(&mut one, RECORD, 24, &[0, 0, 0, 0x7f]);
    refusal(&one);
}

#[test]
fn a_safetensors_header_that_lies_is_refused() {
    let lies = |header: &str, data: &[u8]| {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(data);
        refusal(&bytes)
    };
    let tensor = |shape: &str, offsets: &str| {
        format!(r#"{{"a":{{"dtype":"F32","shape":{shape},"data_offsets":{offsets}}}}}"#)
    };
    lies(&tensor("[1000000000000]", "[0,4000000000000]"), &[0; 8]);
    lies(
        &tensor("[4611686018427387904,4611686018427387904]", "[0,8]"),
        &[0; 8],
    );
    lies(&tensor("[3]", "[0,8]"), &[0; 8]);
    lies(&tensor("[1]", "[4,8]"), &[0; 8]);
    // A header longer than the file.
    let mut bytes = 90_000_000_u64.to_le_bytes().to_vec();
    bytes.extend_from_slice(b"{\"a\":1}");
    refusal(&bytes);
}

#[test]
fn integers_in_safetensors_are_named_and_counters_left_out() {
    let seven = 7_i64.to_le_bytes();
    let view = || TensorView::new(Dtype::I64, vec![1], &seven).unwrap();
    let file = |key: &str| safetensors::serialize([(key, view())], None::<HashMap<_, _>>).unwrap();
    let error = refusal(&file("norm.steps"));
    assert!(error.contains("norm.steps in"), "{error}");
    let error = refusal(&file("norm.num_batches_tracked"));
    assert!(error.contains("no tensors"), "{error}");
}

#[test]
fn another_network_gets_the_three_lists() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.pth");
    fs::write(&path, oracle("plain.pth")).unwrap();
    #[derive(Module, Debug)]
    struct Other {
        linear: Linear,
        last: Norm,
    }
    let mut net = Other {
        linear: Net::new().linear,
        last: Net::new().norm,
    };
    net.linear.weight = Param::from_tensor(Tensor::zeros([3, 2], &Device::flex()));
    let error = load_safetensors(net, &path).map(|_| ()).unwrap_err();
    let WeightsError::Mismatch { report, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(report.missing, ["last.running_mean"]);
    assert_eq!(report.unused, ["conv.weight", "norm.running_mean"]);
    assert_eq!(report.misshapen[0].name, "linear.weight");
    let message = error.to_string();
    assert!(
        message.contains("linear.weight (expected [3, 2], found [2, 3])"),
        "{message}"
    );
}
