//! IRNet's `cls_labels.npy`: image labels of PASCAL VOC as a pickled dictionary inside a NumPy file.

use std::collections::HashMap;
use std::path::Path;

use crate::pickle::{self, Value};
use crate::{DataError, Limits};

/// Labels by the digits of an image's id, read as one number (`2007_000032` is 2007000032).
pub(crate) type ClsLabels = HashMap<i64, Vec<bool>>;

/// Reads a file that `numpy.save` made of a dictionary from numbers to arrays with one value a class, 0 or 1.
///
/// # Errors
/// When the file is no such thing, or an array has another length than `classes` or other values.
pub(crate) fn read(path: &Path, classes: usize) -> Result<ClsLabels, DataError> {
    let bytes = Limits::default().read(path)?;
    labels(&bytes, classes).map_err(|problem| {
        DataError::unreadable(
            path,
            problem,
            "name a CSV of labels in `data.labels`, or save the dictionary again with `numpy.save`",
        )
    })
}

fn labels(bytes: &[u8], classes: usize) -> Result<ClsLabels, String> {
    let pickle = body(bytes)?;
    let Value::Dict(pairs) = only_value(pickle::read(pickle)?)? else {
        return Err("not a dictionary".to_owned());
    };
    let mut all = ClsLabels::with_capacity(pairs.len());
    for (key, value) in pairs {
        // What stands there instead is not told: it may be as large as the file.
        let Value::Int(number) = key else {
            return Err("a key is no whole number".to_owned());
        };
        let values = array(&value).map_err(|why| format!("labels of {number}: {why}"))?;
        if values.len() != classes {
            let found = values.len();
            return Err(format!("{number} has {found} labels, expected {classes}"));
        }
        if let Some(other) = values.iter().find(|v| **v != 0.0 && **v != 1.0) {
            return Err(format!("{number} has a label of {other}, expected 0 or 1"));
        }
        let labels = values.iter().map(|v| *v == 1.0).collect();
        if all.insert(number, labels).is_some() {
            return Err(format!("{number} is there twice"));
        }
    }
    Ok(all)
}

/// What stands behind the header of a NumPy file of one object.
fn body(bytes: &[u8]) -> Result<&[u8], String> {
    let rest = bytes.strip_prefix(b"\x93NUMPY").ok_or("not a NumPy file")?;
    let (size, rest) = match rest {
        [1, _, low, high, rest @ ..] => (usize::from(u16::from_le_bytes([*low, *high])), rest),
        [2 | 3, _, a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest),
        _ => return Err("a NumPy file of a version that is not known".to_owned()),
    };
    let (header, body) = rest.split_at_checked(size).ok_or("the header is cut off")?;
    let header = String::from_utf8_lossy(header);
    if header.contains("'O'") || header.contains("'|O'") {
        Ok(body)
    } else {
        Err("an array of numbers, expected a dictionary".to_owned())
    }
}

/// The one value of an array of one object; older files hold the dictionary itself.
fn only_value(root: Value) -> Result<Value, String> {
    let Value::Call {
        state: Some(state), ..
    } = root
    else {
        return Ok(root);
    };
    if let Value::Sequence(parts) = *state
        && let Some(Value::Sequence(mut values)) = parts.into_iter().next_back()
        && values.len() == 1
    {
        return Ok(values.remove(0));
    }
    Err("not an array of one dictionary".to_owned())
}

/// The values of a pickled array of numbers with one axis.
fn array(value: &Value) -> Result<Vec<f64>, String> {
    let Value::Call {
        state: Some(state), ..
    } = value
    else {
        return Err("not an array".to_owned());
    };
    let Value::Sequence(parts) = &**state else {
        return Err("not an array".to_owned());
    };
    let [.., Value::Sequence(shape), dtype, _, data] = parts.as_slice() else {
        return Err("not an array".to_owned());
    };
    let data = raw(data)?;
    let Value::Call {
        arguments, state, ..
    } = dtype
    else {
        return Err("an array without a type".to_owned());
    };
    let Some(Value::Text(kind)) = arguments.first() else {
        return Err("an array without a type".to_owned());
    };
    let order = match state.as_deref() {
        Some(Value::Sequence(parts)) => parts.get(1),
        _ => None,
    };
    if matches!(order, Some(Value::Text(order)) if order == ">") {
        return Err("numbers with the highest byte first".to_owned());
    }
    let values: Vec<f64> = match kind.as_str() {
        "f4" => data
            .as_chunks()
            .0
            .iter()
            .map(|b| f64::from(f32::from_le_bytes(*b)))
            .collect(),
        "f8" => data
            .as_chunks()
            .0
            .iter()
            .map(|b| f64::from_le_bytes(*b))
            .collect(),
        "i8" => data
            .as_chunks()
            .0
            .iter()
            .map(|b| i64::from_le_bytes(*b) as f64)
            .collect(),
        "u1" | "b1" => data.iter().map(|b| f64::from(*b)).collect(),
        other => {
            let other: String = other.chars().take(40).collect();
            return Err(format!(
                "numbers of the type `{other}`, expected f4, f8, i8, u1 or b1"
            ));
        }
    };
    match shape.as_slice() {
        [Value::Int(length)] if usize::try_from(*length) == Ok(values.len()) => Ok(values),
        _ => Err(format!(
            "{} values, and a shape that is not of one axis of so many",
            values.len()
        )),
    }
}

/// Bytes, also as protocol 2 writes them: a text whose characters are the bytes.
fn raw(data: &Value) -> Result<Vec<u8>, String> {
    let text = match data {
        Value::Bytes(bytes) => return Ok(bytes.clone()),
        Value::Call {
            name, arguments, ..
        } if name == "_codecs.encode" => arguments.first(),
        _ => None,
    };
    let Some(Value::Text(text)) = text else {
        return Err("an array without data".to_owned());
    };
    let bytes: Result<Vec<u8>, _> = text.chars().map(|c| u8::try_from(u32::from(c))).collect();
    bytes.map_err(|_| "data that are no bytes".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By `tests/oracle/cls_labels.py`: three images of four classes, once for each protocol.
    #[test]
    fn what_numpy_saved_is_read() {
        let files: [&[u8]; 3] = [
            include_bytes!("../tests/oracle/cls_labels_2.npy"),
            include_bytes!("../tests/oracle/cls_labels_3.npy"),
            include_bytes!("../tests/oracle/cls_labels_4.npy"),
        ];
        for bytes in files {
            let found = labels(bytes, 4).expect("labels");
            assert_eq!(found.len(), 3);
            assert_eq!(found[&2007000032], [true, false, false, true]);
            assert_eq!(found[&2007000039], [false; 4]);
            assert_eq!(found[&2011003276], [false, true, true, false]);
            let error = labels(bytes, 20).unwrap_err();
            assert!(error.contains("has 4 labels, expected 20"), "{error}");
            for length in 0..bytes.len() {
                assert!(labels(&bytes[..length], 4).is_err(), "{length}");
            }
        }
    }

    #[test]
    fn arrays_of_numbers_and_other_files_are_refused() {
        assert_eq!(labels(b"PK\x03\x04", 4).unwrap_err(), "not a NumPy file");
        let mut numbers = b"\x93NUMPY\x01\x00\x2a\x00".to_vec();
        numbers.extend(b"{'descr': '<f4', 'shape': (1,), 'x': 0}   \0\0\0\0");
        let error = labels(&numbers, 4).unwrap_err();
        assert!(error.contains("expected a dictionary"), "{error}");
    }
}
