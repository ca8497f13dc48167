//! NumPy's array files: `.npy` (one array) and `.npz` (several, by name), in 32-bit floats, bytes and 64-bit integers.
//!
//! Reading is strict: the header's shape is multiplied out in 64 bits and compared with the bytes that are there before
//! anything is allocated, pickled objects are refused (nothing in an array file is ever executed), and a file that is
//! too short or too long is an error. Writing is atomic and gives the same bytes for the same arrays.

mod header;
mod npz;

use std::path::Path;

use npyz::WriterBuilder;

use self::header::{Header, Kind};
use crate::{DataError, Limits, Stack, atomic};

pub use self::npz::{NpzWriter, read_npz};

/// The values of an array, in C order (last axis fastest).
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// 32-bit floats; 64-bit floats are rounded to them on reading.
    F32(Vec<f32>),
    /// Bytes and booleans.
    U8(Vec<u8>),
    /// 64-bit integers; all other integers are widened to them on reading.
    I64(Vec<i64>),
}

/// An array of any number of axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// The values.
    pub values: Values,
}

/// Reads a `.npy` file of any kind of number.
///
/// # Errors
/// [`DataError::Unreadable`] if it is no array of numbers or its length is not what its header says,
/// [`DataError::TooLarge`], [`DataError::Io`].
pub fn read(path: &Path) -> Result<Array, DataError> {
    let bytes = Limits::default().read(path)?;
    parse(path, &bytes)
}

/// Reads a `.npy` file of floats: its shape and its values in C order. Values that are not finite are let through;
/// see [`check_finite`].
///
/// # Errors
/// As [`read`]; and if the array holds integers.
pub fn read_f32(path: &Path) -> Result<(Vec<usize>, Vec<f32>), DataError> {
    let array = read(path)?;
    match array.values {
        Values::F32(values) => Ok((array.shape, values)),
        _ => Err(DataError::unreadable(
            path,
            "the array holds integers, expected floats",
            "save it with `.astype(\"float32\")`",
        )),
    }
}

/// Reads a `.npy` file of floats with three axes C×H×W, or two (H×W, then C = 1), all finite.
///
/// # Errors
/// As [`read_f32`]; [`DataError::Shape`] for another number of axes, and those of [`check_finite`].
pub fn read_maps(path: &Path) -> Result<Stack<f32>, DataError> {
    let (shape, values) = read_f32(path)?;
    check_finite(path, &shape, &values)?;
    match *shape.as_slice() {
        [height, width] => Stack::new(1, height, width, values),
        [channels, height, width] => Stack::new(channels, height, width, values),
        _ => Err(DataError::Shape {
            what: path.display().to_string(),
            expected: "an array of 3 axes (classes, height, width) or 2 (height, width)".into(),
            found: format!("shape {shape:?}"),
        }),
    }
}

/// Refuses NaN and infinities, naming the first.
///
/// # Errors
/// [`DataError::Unreadable`] with the value's index along each axis.
pub fn check_finite(path: &Path, shape: &[usize], values: &[f32]) -> Result<(), DataError> {
    let Some(at) = values.iter().position(|value| !value.is_finite()) else {
        return Ok(());
    };
    let mut index = vec![0; shape.len()];
    let mut rest = at;
    for (axis, &length) in shape.iter().enumerate().rev() {
        index[axis] = rest % length.max(1);
        rest /= length.max(1);
    }
    Err(DataError::unreadable(
        path,
        format!("the value at {index:?} is {}", values[at]),
        "make every value finite",
    ))
}

/// Writes a `.npy` file of floats.
///
/// # Errors
/// [`DataError::Shape`] if there is not one value per cell; [`DataError::Io`], and `path` is then as before.
pub fn write_f32(path: &Path, shape: &[usize], values: &[f32]) -> Result<(), DataError> {
    atomic::write(path, &encode(path, shape, values)?)
}

/// Writes a `.npy` file of whole numbers.
///
/// # Errors
/// As [`write_f32`].
pub fn write_i32(path: &Path, shape: &[usize], values: &[i32]) -> Result<(), DataError> {
    atomic::write(path, &encode(path, shape, values)?)
}

/// The bytes of a `.npy` file.
fn encode<T: npyz::Serialize + npyz::AutoSerialize + Copy>(
    path: &Path,
    shape: &[usize],
    values: &[T],
) -> Result<Vec<u8>, DataError> {
    let cells = shape
        .iter()
        .try_fold(1_usize, |product, &length| product.checked_mul(length));
    if cells != Some(values.len()) {
        return Err(DataError::Shape {
            what: format!("array for {}", path.display()),
            expected: format!("one value per cell of {shape:?}"),
            found: format!("{} values", values.len()),
        });
    }
    let shape: Vec<u64> = shape.iter().map(|&length| length as u64).collect();
    let mut bytes = Vec::new();
    let write = |bytes: &mut Vec<u8>| -> std::io::Result<()> {
        let mut writer = npyz::WriteOptions::new()
            .default_dtype()
            .shape(&shape)
            .writer(bytes)
            .begin_nd()?;
        writer.extend(values.iter().copied())?;
        writer.finish()
    };
    write(&mut bytes).map_err(DataError::io(path, "write"))?;
    Ok(bytes)
}

/// Reads the bytes of a `.npy` file.
fn parse(path: &Path, bytes: &[u8]) -> Result<Array, DataError> {
    let (header, data) = Header::parse(bytes).map_err(|problem| {
        DataError::unreadable(path, problem, "save the array with `numpy.save`")
    })?;
    let values = match header.kind {
        Kind::F4 => Values::F32(header.decode(data, f32::from_le_bytes)),
        Kind::F8 => Values::F32(header.decode(data, |b| f64::from_le_bytes(b) as f32)),
        Kind::U1 => Values::U8(header.decode(data, |b: [u8; 1]| b[0])),
        Kind::I1 => Values::I64(header.decode(data, |b| i8::from_le_bytes(b).into())),
        Kind::I2 => Values::I64(header.decode(data, |b| i16::from_le_bytes(b).into())),
        Kind::U2 => Values::I64(header.decode(data, |b| u16::from_le_bytes(b).into())),
        Kind::I4 => Values::I64(header.decode(data, |b| i32::from_le_bytes(b).into())),
        Kind::U4 => Values::I64(header.decode(data, |b| u32::from_le_bytes(b).into())),
        Kind::I8 => Values::I64(header.decode(data, i64::from_le_bytes)),
    };
    Ok(Array {
        shape: header.shape,
        values,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with a header as given and `data`.
    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    fn problem(bytes: &[u8]) -> String {
        parse(Path::new("a.npy"), bytes).unwrap_err().to_string()
    }

    #[test]
    fn floats_come_back_as_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let values = [1.5, -2.0, f32::NAN, 0.0, 1e-30, 7.0];
        write_f32(&path, &[1, 2, 3], &values).unwrap();
        let (shape, read) = read_f32(&path).unwrap();
        assert_eq!(shape, [1, 2, 3]);
        assert_eq!(read.map_bits(), values.to_vec().map_bits());
        let error = read_maps(&path).unwrap_err().to_string();
        assert!(error.contains("[0, 0, 2] is NaN"), "{error}");
        assert!(write_f32(&path, &[2, 2], &values).is_err());
        assert!(write_f32(&path, &[usize::MAX, 2], &values).is_err());
        write_f32(&path, &[], &[3.0]).unwrap();
        assert_eq!(read_f32(&path).unwrap(), (vec![], vec![3.0]));
        write_f32(&path, &[0, 4], &[]).unwrap();
        assert_eq!(read_f32(&path).unwrap(), (vec![0, 4], vec![]));
    }

    trait Bits {
        fn map_bits(&self) -> Vec<u32>;
    }

    impl Bits for Vec<f32> {
        fn map_bits(&self) -> Vec<u32> {
            self.iter().map(|value| value.to_bits()).collect()
        }
    }

    #[test]
    fn other_orders_and_widths_are_brought_to_ours() {
        let fortran = file(
            "{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3), }\n",
            &[1, 0, 4, 0, 2, 0, 5, 0, 3, 0, 6, 0],
        );
        let array = parse(Path::new("a.npy"), &fortran).unwrap();
        assert_eq!(array.shape, [2, 3]);
        assert_eq!(array.values, Values::I64(vec![1, 2, 3, 4, 5, 6]));
        let big = file(
            "{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }",
            &1.25_f32.to_be_bytes(),
        );
        assert_eq!(
            parse(Path::new("a.npy"), &big).unwrap().values,
            Values::F32(vec![1.25])
        );
        let boolean = file(
            "{'descr': '|b1', 'fortran_order': False, 'shape': (3,), }",
            &[0, 1, 1],
        );
        assert_eq!(
            parse(Path::new("a.npy"), &boolean).unwrap().values,
            Values::U8(vec![0, 1, 1])
        );
    }

    #[test]
    fn headers_that_lie_are_refused() {
        let of_shape =
            |shape: &str| format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
        assert!(problem(&file(&of_shape("(3,)"), &[0; 8])).contains("expected 12 bytes"));
        assert!(problem(&file(&of_shape("(1,)"), &[0; 8])).contains("expected 4 bytes"));
        let huge = of_shape("(18446744073709551615, 18446744073709551615)");
        assert!(problem(&file(&huge, &[0; 8])).contains("larger than"));
        assert!(problem(&file(&of_shape("(-1,)"), &[0; 8])).contains("shape"));
        assert!(
            problem(&file(
                "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}",
                b""
            ))
            .contains("`|O`")
        );
        assert!(problem(&file("{}", b"")).contains("descr"));
        assert!(problem(b"").contains("NUMPY"));
        assert!(problem(&file(&of_shape("(1,)"), &[0; 4])[..20]).contains("cut off"));
        let mut long = b"\x93NUMPY\x02\x00".to_vec();
        long.extend([0xff; 4]);
        assert!(problem(&long).contains("cut off"));
    }
}
