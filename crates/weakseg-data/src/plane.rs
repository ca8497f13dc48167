//! [`Plane`] (H×W) and [`Stack`] (C×H×W): the only currency in which pixels change hands.
//!
//! Both are dense, row-major and planar: the value of channel `c`, row `y`, column `x` of a stack lies at
//! `(c * height + y) * width + x`. Sizes are checked once, in `new`; nothing made here can be wrong-sized.

use crate::DataError;

/// One H×W map: a grey image, a mask, a map of scores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plane<T> {
    height: usize,
    width: usize,
    values: Vec<T>,
}

impl<T> Plane<T> {
    /// Wraps `height * width` row-major values.
    ///
    /// # Errors
    /// [`DataError::Shape`] if the number of values is not `height * width`.
    pub fn new(height: usize, width: usize, values: Vec<T>) -> Result<Self, DataError> {
        match height.checked_mul(width) {
            Some(size) if size == values.len() => Ok(Self {
                height,
                width,
                values,
            }),
            _ => Err(DataError::Shape {
                what: "plane".into(),
                expected: format!("{height}x{width} values"),
                found: format!("{} values", values.len()),
            }),
        }
    }

    /// Computes every value from its `(y, x)`, in row-major order.
    pub fn from_fn(height: usize, width: usize, mut value: impl FnMut(usize, usize) -> T) -> Self {
        let mut values = Vec::with_capacity(height * width);
        for y in 0..height {
            for x in 0..width {
                values.push(value(y, x));
            }
        }
        Self {
            height,
            width,
            values,
        }
    }

    /// Number of rows.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// Number of columns.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of values, `height * width`.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is not a single value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Sets the value at row `y`, column `x`.
    ///
    /// # Panics
    /// If `(y, x)` lies outside, as indexing a slice does.
    pub fn set(&mut self, y: usize, x: usize, value: T) {
        let at = self.at(y, x);
        self.values[at] = value;
    }

    /// The values of row `y`.
    ///
    /// # Panics
    /// If `y >= height`, as indexing a slice does.
    #[must_use]
    pub fn row(&self, y: usize) -> &[T] {
        &self.values[y * self.width..(y + 1) * self.width]
    }

    /// All values, row by row.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        &self.values
    }

    /// All values, row by row, to change.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.values
    }

    /// The values alone, row by row.
    #[must_use]
    pub fn into_vec(self) -> Vec<T> {
        self.values
    }

    /// A plane of the same size with `f` applied to every value.
    pub fn map<U>(&self, f: impl FnMut(&T) -> U) -> Plane<U> {
        Plane {
            height: self.height,
            width: self.width,
            values: self.values.iter().map(f).collect(),
        }
    }

    fn at(&self, y: usize, x: usize) -> usize {
        assert!(
            y < self.height && x < self.width,
            "({y}, {x}) lies outside a {}x{} plane",
            self.height,
            self.width
        );
        y * self.width + x
    }
}

impl<T: Copy> Plane<T> {
    /// A plane that holds `value` everywhere.
    #[must_use]
    pub fn filled(height: usize, width: usize, value: T) -> Self {
        Self {
            height,
            width,
            values: vec![value; height * width],
        }
    }

    /// The value at row `y`, column `x`.
    ///
    /// # Panics
    /// If `(y, x)` lies outside, as indexing a slice does.
    #[must_use]
    pub fn get(&self, y: usize, x: usize) -> T {
        self.values[self.at(y, x)]
    }

    /// The same values as a stack of one channel.
    #[must_use]
    pub fn into_stack(self) -> Stack<T> {
        Stack {
            channels: 1,
            height: self.height,
            width: self.width,
            values: self.values,
        }
    }
}

/// C planes of one size, C×H×W: a colour image, one mask per finding, one map per class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack<T> {
    channels: usize,
    height: usize,
    width: usize,
    values: Vec<T>,
}

impl<T> Stack<T> {
    /// Wraps `channels * height * width` planar values.
    ///
    /// # Errors
    /// [`DataError::Shape`] if the number of values is another.
    pub fn new(
        channels: usize,
        height: usize,
        width: usize,
        values: Vec<T>,
    ) -> Result<Self, DataError> {
        let size = channels
            .checked_mul(height)
            .and_then(|rows| rows.checked_mul(width));
        if size != Some(values.len()) {
            return Err(DataError::Shape {
                what: "stack".into(),
                expected: format!("{channels}x{height}x{width} values"),
                found: format!("{} values", values.len()),
            });
        }
        Ok(Self {
            channels,
            height,
            width,
            values,
        })
    }

    /// Number of planes.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Number of rows of each plane.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// Number of columns of each plane.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// The `height * width` values of plane `channel`, row by row.
    ///
    /// # Panics
    /// If `channel >= channels`, as indexing a slice does.
    #[must_use]
    pub fn plane(&self, channel: usize) -> &[T] {
        let size = self.height * self.width;
        &self.values[channel * size..(channel + 1) * size]
    }

    /// The values of plane `channel`, to change.
    ///
    /// # Panics
    /// If `channel >= channels`, as indexing a slice does.
    pub fn plane_mut(&mut self, channel: usize) -> &mut [T] {
        let size = self.height * self.width;
        &mut self.values[channel * size..(channel + 1) * size]
    }

    /// All values, plane by plane.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        &self.values
    }

    /// All values, plane by plane, to change.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.values
    }

    /// The values alone, plane by plane.
    #[must_use]
    pub fn into_vec(self) -> Vec<T> {
        self.values
    }

    /// A stack of the same size with `f` applied to every value.
    pub fn map<U>(&self, f: impl FnMut(&T) -> U) -> Stack<U> {
        Stack {
            channels: self.channels,
            height: self.height,
            width: self.width,
            values: self.values.iter().map(f).collect(),
        }
    }
}

impl<T: Copy> Stack<T> {
    /// A stack that holds `value` everywhere.
    #[must_use]
    pub fn filled(channels: usize, height: usize, width: usize, value: T) -> Self {
        Self {
            channels,
            height,
            width,
            values: vec![value; channels * height * width],
        }
    }

    /// Lays planes of one size upon each other.
    ///
    /// # Errors
    /// [`DataError::Shape`] if there is no plane or the sizes differ.
    pub fn from_planes(planes: &[Plane<T>]) -> Result<Self, DataError> {
        let Some(first) = planes.first() else {
            return Err(DataError::Shape {
                what: "stack".into(),
                expected: "at least one plane".into(),
                found: "none".into(),
            });
        };
        let mut values = Vec::with_capacity(planes.len() * first.len());
        for (index, plane) in planes.iter().enumerate() {
            if (plane.height, plane.width) != (first.height, first.width) {
                return Err(DataError::Shape {
                    what: format!("plane {index} of a stack"),
                    expected: format!("{}x{}", first.height, first.width),
                    found: format!("{}x{}", plane.height, plane.width),
                });
            }
            values.extend_from_slice(&plane.values);
        }
        Ok(Self {
            channels: planes.len(),
            height: first.height,
            width: first.width,
            values,
        })
    }

    /// A copy of plane `channel`.
    ///
    /// # Panics
    /// If `channel >= channels`, as indexing a slice does.
    #[must_use]
    pub fn to_plane(&self, channel: usize) -> Plane<T> {
        Plane {
            height: self.height,
            width: self.width,
            values: self.plane(channel).to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plane_is_row_major() {
        let plane = Plane::from_fn(2, 3, |y, x| 10 * y + x);
        assert_eq!(plane.as_slice(), [0, 1, 2, 10, 11, 12]);
        assert_eq!(plane.get(1, 2), 12);
        assert_eq!(plane.row(1), [10, 11, 12]);
    }

    #[test]
    fn wrong_sizes_are_errors() {
        assert!(Plane::new(2, 3, vec![0_u8; 6]).is_ok());
        let error = Plane::new(2, 3, vec![0_u8; 5]).unwrap_err().to_string();
        assert_eq!(error, "plane: expected 2x3 values, found 5 values");
        assert!(Plane::new(usize::MAX, 2, vec![0_u8; 2]).is_err());
        assert!(Stack::new(3, 1, 2, vec![0_u8; 5]).is_err());
        assert!(Stack::<u8>::from_planes(&[]).is_err());
        let uneven = [Plane::filled(1, 2, 0_u8), Plane::filled(2, 1, 0)];
        assert!(Stack::from_planes(&uneven).is_err());
    }

    #[test]
    fn stack_is_planar() {
        let planes = [Plane::filled(2, 2, 1_u8), Plane::filled(2, 2, 7)];
        let mut stack = Stack::from_planes(&planes).unwrap();
        stack.plane_mut(0)[3] = 9;
        assert_eq!(stack.as_slice(), [1, 1, 1, 9, 7, 7, 7, 7]);
        assert_eq!(stack.to_plane(1), planes[1]);
        assert_eq!(stack.map(|v| u16::from(*v) * 2).plane(1), [14; 4]);
    }
}
