//! Arrays as NumPy writes them; files by `tests/oracle/arrays.py`.

use std::path::{Path, PathBuf};

use weakseg_data::npy;

fn oracle(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/oracle")
        .join(name)
}

fn cam() -> Vec<f32> {
    (0..24).map(|index| (index as f32 - 5.0) / 8.0).collect()
}

#[test]
fn numpy_arrays_are_read_in_c_order() {
    for name in ["cam_f32.npy", "cam_fortran_f64.npy"] {
        let maps = npy::read_maps(&oracle(name)).unwrap();
        assert_eq!(
            (maps.channels(), maps.height(), maps.width()),
            (2, 3, 4),
            "{name}"
        );
        assert_eq!(maps.as_slice(), cam(), "{name}");
    }
}

#[test]
fn our_file_is_the_one_numpy_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cam.npy");
    npy::write_f32(&path, &[2, 3, 4], &cam()).unwrap();
    let (ours, theirs) = (
        std::fs::read(&path).unwrap(),
        std::fs::read(oracle("cam_f32.npy")).unwrap(),
    );
    assert_eq!(ours[ours.len() - 96..], theirs[theirs.len() - 96..]);
    assert_eq!(
        npy::read(&path).unwrap(),
        npy::read(&oracle("cam_f32.npy")).unwrap()
    );
}

#[test]
fn compressed_archives_are_read() {
    let arrays = npy::read_npz(&oracle("mixed.npz")).unwrap();
    assert_eq!(arrays["cam"].values, npy::Values::F32(cam()));
    assert_eq!(arrays["keys"].values, npy::Values::I64(vec![0, 14, -3]));
    assert_eq!(arrays["mask"].values, npy::Values::U8(vec![0, 1, 255, 7]));
    assert_eq!(arrays["mask"].shape, [2, 2]);
}

#[test]
fn pickled_objects_are_refused() {
    let error = npy::read(&oracle("pickled.npy")).unwrap_err().to_string();
    assert!(
        error.contains("pickled.npy") && error.contains("`|O`"),
        "{error}"
    );
}

#[test]
fn damage_never_panics() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged");
    for name in ["cam_fortran_f64.npy", "mixed.npz"] {
        let bytes = std::fs::read(oracle(name)).unwrap();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x55;
            std::fs::write(&path, &damaged).unwrap();
            let _ = npy::read(&path);
            let _ = npy::read_npz(&path);
            std::fs::write(&path, &bytes[..at]).unwrap();
            assert!(npy::read(&path).is_err() && npy::read_npz(&path).is_err());
        }
    }
}
