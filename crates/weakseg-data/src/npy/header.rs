//! The header of a `.npy` file, read by hand: a lying shape must not be multiplied or allocated before it is checked.

/// Kinds of number that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    F4,
    F8,
    U1,
    I1,
    I2,
    U2,
    I4,
    U4,
    I8,
}

impl Kind {
    fn of(code: &str) -> Option<Self> {
        Some(match code {
            "f4" => Self::F4,
            "f8" => Self::F8,
            "u1" | "b1" => Self::U1,
            "i1" => Self::I1,
            "i2" => Self::I2,
            "u2" => Self::U2,
            "i4" => Self::I4,
            "u4" => Self::U4,
            "i8" => Self::I8,
            _ => return None,
        })
    }

    fn bytes(self) -> usize {
        match self {
            Self::U1 | Self::I1 => 1,
            Self::I2 | Self::U2 => 2,
            Self::F4 | Self::I4 | Self::U4 => 4,
            Self::F8 | Self::I8 => 8,
        }
    }
}

/// What a header says.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) kind: Kind,
    pub(super) shape: Vec<usize>,
    big_endian: bool,
    fortran: bool,
}

impl Header {
    /// The header of a file and the data behind it, which is as long as the header says.
    pub(super) fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), String> {
        let cut = || "the file is cut off in its header".to_owned();
        let rest = bytes
            .strip_prefix(b"\x93NUMPY")
            .ok_or("not a NumPy array: it does not begin with \\x93NUMPY")?;
        let (length, at) = match rest {
            [1, _, a, b, ..] => (usize::from(u16::from_le_bytes([*a, *b])), 4),
            [2 | 3, _, a, b, c, d, ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, 6),
            [1..=3, ..] | [] => return Err(cut()),
            [version, ..] => return Err(format!("version {version} of the format is not known")),
        };
        let text = rest[at..].get(..length).ok_or_else(cut)?;
        let data = &rest[at + length..];
        let text = std::str::from_utf8(text).map_err(|_| "the header is not text".to_owned())?;
        let header = Self::of(text)?;
        header.check(data.len())?;
        Ok((header, data))
    }

    fn of(text: &str) -> Result<Self, String> {
        let value = |key: &str| -> Result<&str, String> {
            let quoted = [format!("'{key}':"), format!("\"{key}\":")];
            let at = quoted
                .iter()
                .find_map(|quoted| text.find(quoted).map(|at| at + quoted.len()))
                .ok_or_else(|| format!("the header has no `{key}`"))?;
            Ok(text[at..].trim_start())
        };
        let descr = value("descr")?;
        let code = match descr.chars().next() {
            Some(quote @ ('\'' | '"')) => descr[1..].split(quote).next().unwrap_or(""),
            _ => descr.split('}').next().unwrap_or(descr),
        };
        let kind = code
            .get(1..)
            .and_then(Kind::of)
            .filter(|_| code.starts_with(['<', '>', '|', '=']));
        let kind = kind.ok_or_else(|| {
            format!("the array's type is `{code}`, expected floats of 32 or 64 bits, integers, or booleans")
        })?;
        let fortran = match value("fortran_order")? {
            text if text.starts_with("True") => true,
            text if text.starts_with("False") => false,
            _ => return Err("the header's `fortran_order` is neither True nor False".into()),
        };
        let shape = value("shape")?;
        let inside = shape
            .strip_prefix('(')
            .and_then(|shape| shape.split_once(')'));
        let axes = inside.ok_or("the header's shape is not a tuple")?.0;
        let shape = axes
            .split(',')
            .map(str::trim)
            .filter(|axis| !axis.is_empty())
            .map(|axis| axis.trim_end_matches('L').parse::<usize>())
            .collect::<Result<Vec<usize>, _>>()
            .map_err(|_| format!("the header's shape is ({axes}), expected whole numbers"))?;
        Ok(Self {
            kind,
            shape,
            big_endian: code.starts_with('>'),
            fortran,
        })
    }

    fn check(&self, found: usize) -> Result<(), String> {
        let cells = self
            .shape
            .iter()
            .try_fold(1_usize, |product, &length| product.checked_mul(length))
            .and_then(|cells| cells.checked_mul(self.kind.bytes()));
        match cells {
            Some(expected) if expected == found => Ok(()),
            Some(expected) => Err(format!(
                "the shape {:?} needs data of another length: expected {expected} bytes, found {found}",
                self.shape
            )),
            None => Err(format!(
                "the shape {:?} is larger than any memory",
                self.shape
            )),
        }
    }

    /// The values in C order, each made of `N` bytes in little-endian order.
    pub(super) fn decode<const N: usize, T: Copy>(
        &self,
        data: &[u8],
        value: impl Fn([u8; N]) -> T,
    ) -> Vec<T> {
        let values: Vec<T> = data
            .chunks_exact(N)
            .map(|chunk| {
                let mut bytes = [0; N];
                bytes.copy_from_slice(chunk);
                if self.big_endian {
                    bytes.reverse();
                }
                value(bytes)
            })
            .collect();
        if self.fortran && self.shape.len() > 1 && !values.is_empty() {
            self.to_c_order(&values)
        } else {
            values
        }
    }

    fn to_c_order<T: Copy>(&self, values: &[T]) -> Vec<T> {
        let mut strides = vec![1; self.shape.len()];
        for axis in 1..strides.len() {
            strides[axis] = strides[axis - 1] * self.shape[axis - 1];
        }
        let mut index = vec![0; self.shape.len()];
        let mut ordered = Vec::with_capacity(values.len());
        for _ in 0..values.len() {
            let at: usize = index
                .iter()
                .zip(&strides)
                .map(|(i, stride)| i * stride)
                .sum();
            ordered.push(values[at]);
            for axis in (0..index.len()).rev() {
                index[axis] += 1;
                if index[axis] < self.shape[axis] {
                    break;
                }
                index[axis] = 0;
            }
        }
        ordered
    }
}
