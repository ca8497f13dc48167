//! [`Matrix`]: an array of a MAT-file: its class, its size and its name, and on demand what it holds.

use super::MatError;
use super::element::{ByteOrder, Element, Elements, kind};
use super::error::Place;

/// Class of a structure.
const STRUCT: u8 = 2;
/// Class of a matrix of bytes.
const UINT8: u8 = 9;

/// Longest name of a variable or a field; MATLAB allows 63 letters and a zero.
const LONGEST_NAME: usize = 64;

/// An array.
#[derive(Debug)]
pub(crate) struct Matrix<'a> {
    /// Its name; that of a field has none.
    pub(crate) name: &'a [u8],
    class: u8,
    complex: bool,
    place: Place,
    dimensions: Element<'a>,
    order: ByteOrder,
    /// What comes after its name.
    content: Elements<'a>,
}

impl<'a> Matrix<'a> {
    /// Reads what every array begins with.
    pub(super) fn read(element: &Element<'a>, order: ByteOrder) -> Result<Self, MatError> {
        element.expect("a variable or a field", kind::MATRIX)?;
        let mut content = element.parts(order);
        let flags = content.expect("its flags", kind::UINT32)?;
        let word = flags.words(order).and_then(|mut words| words.next());
        let word = word.ok_or(MatError::Form {
            place: flags.place,
            what: "an array's flags",
            found: format!("{} bytes", flags.data.len()),
            expected: "8 bytes".into(),
        })?;
        let dimensions = content.expect("its dimensions", kind::INT32)?;
        let name = content.expect("its name", kind::INT8)?;
        if name.data.len() > LONGEST_NAME {
            return Err(MatError::Form {
                place: name.place,
                what: "the name of an array",
                found: format!("{} bytes", name.data.len()),
                expected: format!("at most {LONGEST_NAME}"),
            });
        }
        Ok(Self {
            name: name.data,
            class: word as u8,
            complex: word & 0x800 != 0,
            place: element.place,
            dimensions,
            order,
            content,
        })
    }

    /// Rows and columns.
    ///
    /// # Errors
    /// [`MatError::Form`] if it has not two dimensions.
    pub(crate) fn size(&self) -> Result<[u32; 2], MatError> {
        let words = self.dimensions.words(self.order);
        let sides: Option<Vec<u32>> = words.map(|words| words.take(3).collect());
        match sides.as_deref() {
            // They are signed, and none is negative.
            Some(&[rows, columns]) if rows <= i32::MAX as u32 && columns <= i32::MAX as u32 => {
                Ok([rows, columns])
            }
            _ => Err(MatError::Form {
                place: self.dimensions.place,
                what: "the size of an array",
                found: format!("{} bytes", self.dimensions.data.len()),
                expected: "rows and columns".into(),
            }),
        }
    }

    /// The field of a name of a structure of one element.
    ///
    /// # Errors
    /// [`MatError::Form`] if it is no such structure, [`MatError::NoField`], or the damage on the way to the field.
    pub(crate) fn field(mut self, name: &str) -> Result<Matrix<'a>, MatError> {
        self.expect_class(STRUCT, "a structure (class 2)")?;
        let size = self.size()?;
        if size != [1, 1] {
            return Err(MatError::Form {
                place: self.dimensions.place,
                what: "the structure",
                found: format!("{}x{} elements", size[0], size[1]),
                expected: "one element".into(),
            });
        }
        let length = self
            .content
            .expect("the length of its field names", kind::INT32)?;
        let width = match length.words(self.order).map(Vec::from_iter).as_deref() {
            Some(&[width]) if (1..=LONGEST_NAME).contains(&(width as usize)) => width as usize,
            other => {
                return Err(MatError::Form {
                    place: length.place,
                    what: "the length of the field names",
                    found: format!("{other:?}"),
                    expected: format!("one number from 1 to {LONGEST_NAME}"),
                });
            }
        };
        let names = self.content.expect("its field names", kind::INT8)?;
        let mut each = names.data.chunks_exact(width);
        let number = each.position(|field| {
            let end = field.iter().position(|&byte| byte == 0);
            &field[..end.unwrap_or(width)] == name.as_bytes()
        });
        let number = number.ok_or_else(|| MatError::NoField {
            place: names.place,
            name: name.to_owned(),
        })?;
        for _ in 0..number {
            self.content.expect("the fields before", kind::MATRIX)?;
        }
        let field = self.content.expect("the field", kind::MATRIX)?;
        Matrix::read(&field, self.order)
    }

    /// The values of a matrix of bytes, column after column.
    ///
    /// # Errors
    /// [`MatError::Form`] if it is of another class, or has not one value for each of its places.
    pub(crate) fn bytes(mut self) -> Result<&'a [u8], MatError> {
        self.expect_class(UINT8, "a real matrix of bytes (class 9, uint8)")?;
        let [rows, columns] = self.size()?;
        let values = self.content.expect("its values", kind::UINT8)?;
        if values.data.len() as u64 != u64::from(rows) * u64::from(columns) {
            return Err(MatError::Form {
                place: values.place,
                what: "the matrix",
                found: format!("{} values", values.data.len()),
                expected: format!("{rows} rows of {columns}"),
            });
        }
        Ok(values.data)
    }

    fn expect_class(&self, class: u8, expected: &str) -> Result<(), MatError> {
        if self.class == class && !self.complex {
            return Ok(());
        }
        let complex = if self.complex { ", complex" } else { "" };
        Err(MatError::Form {
            place: self.place,
            what: "the array",
            found: format!("of class {}{complex}", self.class),
            expected: expected.to_owned(),
        })
    }
}
