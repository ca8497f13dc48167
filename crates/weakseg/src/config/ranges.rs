//! Ranges of single numbers, in words that name the key, the value and the range.

pub(super) fn positive(name: &str, value: f64) -> Result<(), String> {
    if value.is_finite() && value > 0.0 {
        Ok(())
    } else {
        Err(format!("{name} is {value}; expected a number above 0"))
    }
}

pub(super) fn not_negative(name: &str, value: f64) -> Result<(), String> {
    if value.is_finite() && value >= 0.0 {
        Ok(())
    } else {
        Err(format!("{name} is {value}; expected 0 or more"))
    }
}

pub(super) fn share(name: &str, value: f64) -> Result<(), String> {
    if (0.0..=1.0).contains(&value) {
        Ok(())
    } else {
        Err(format!("{name} is {value}; expected 0 to 1"))
    }
}

/// A factor on an image's sides: with a greater one the image is larger than any memory.
pub(super) fn scale(name: &str, value: f64) -> Result<(), String> {
    if value > 0.0 && value <= 8.0 {
        Ok(())
    } else {
        Err(format!(
            "{name} is {value}; expected a number above 0 and at most 8"
        ))
    }
}

/// A number of times that something is done: with so many it still ends.
pub(super) fn at_most(name: &str, value: usize, most: usize) -> Result<(), String> {
    match value <= most {
        true => Ok(()),
        false => Err(format!("{name} is {value}; expected 0 to {most}")),
    }
}

/// Greatest radius of a walk and of IRNet's pairs, in cells: memory grows with its square.
pub const MOST_RADIUS: usize = 64;

/// A number of cells of IRNet's grid.
pub(super) fn radius(name: &str, value: usize) -> Result<(), String> {
    if (2..=MOST_RADIUS).contains(&value) {
        Ok(())
    } else {
        Err(format!(
            "{name} is {value}; expected 2 to {MOST_RADIUS} (cells of the stride-4 grid)"
        ))
    }
}
