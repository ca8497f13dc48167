//! The colours of PASCAL VOC: class number to RGB.

/// The colour of class number `index` in the VOC palette: the bits of the number, dealt in threes to the high bits of
/// red, green and blue (VOC development kit, `VOClabelcolormap.m`). 0 is black, 255 (void) is cream.
#[must_use]
pub fn voc_colour(index: u8) -> [u8; 3] {
    let mut colour = [0_u8; 3];
    for (channel, value) in colour.iter_mut().enumerate() {
        for step in 0..3 {
            let bit = 3 * step + channel;
            if bit < 8 {
                *value |= (index >> bit & 1) << (7 - step);
            }
        }
    }
    colour
}

#[cfg(test)]
mod tests {
    use super::voc_colour;

    #[test]
    fn colours_are_those_of_the_development_kit() {
        assert_eq!(voc_colour(0), [0, 0, 0]);
        assert_eq!(voc_colour(1), [128, 0, 0]);
        assert_eq!(voc_colour(15), [192, 128, 128]);
        assert_eq!(voc_colour(20), [0, 64, 128]);
        assert_eq!(voc_colour(255), [224, 224, 192]);
    }
}
