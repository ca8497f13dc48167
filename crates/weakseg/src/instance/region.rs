//! The pixels of one object.

use weakseg_data::Plane;

/// Some pixels of an image, at least one, kept as a mask of the box around them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    size: [usize; 2],
    corner: [usize; 2],
    mask: Plane<u8>,
}

impl Region {
    /// The pixels of a mask that are not 0, none if there is no such pixel.
    pub fn of(mask: &Plane<u8>) -> Option<Self> {
        let size = [mask.height(), mask.width()];
        Self::within(size, [0, 0], mask)
    }

    /// Those of a `mask` whose first pixel lies at `corner` (row, column) of an image of `size`.
    pub(super) fn within(size: [usize; 2], corner: [usize; 2], mask: &Plane<u8>) -> Option<Self> {
        let [mut top, mut left, mut bottom, mut right] = [usize::MAX, usize::MAX, 0, 0];
        for y in 0..mask.height() {
            for (x, _) in mask.row(y).iter().enumerate().filter(|(_, v)| **v != 0) {
                (top, bottom) = (top.min(y), bottom.max(y + 1));
                (left, right) = (left.min(x), right.max(x + 1));
            }
        }
        (bottom > 0).then(|| Self {
            size,
            corner: [corner[0] + top, corner[1] + left],
            mask: Plane::from_fn(bottom - top, right - left, |y, x| {
                u8::from(mask.get(top + y, left + x) != 0)
            }),
        })
    }

    /// Height and width of the image.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// First row and column of the box around the pixels.
    pub fn corner(&self) -> [usize; 2] {
        self.corner
    }

    /// 0/1 mask of that box.
    pub fn mask(&self) -> &Plane<u8> {
        &self.mask
    }

    /// Number of pixels.
    pub fn area(&self) -> usize {
        self.mask.as_slice().iter().filter(|&&v| v != 0).count()
    }

    /// 0/1 mask of the whole image.
    pub fn whole(&self) -> Plane<u8> {
        let mut whole = Plane::filled(self.size[0], self.size[1], 0);
        for (y, x) in self.pixels() {
            whole.set(y, x, 1);
        }
        whole
    }

    /// Rows and columns of the pixels, in reading order.
    pub fn pixels(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let width = self.mask.width();
        let values = self.mask.as_slice().iter().enumerate();
        values
            .filter(|(_, value)| **value != 0)
            .map(move |(at, _)| (self.corner[0] + at / width, self.corner[1] + at % width))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_box_is_cut_out_and_put_back() {
        let mut mask = Plane::filled(5, 6, 0);
        mask.set(1, 4, 9);
        mask.set(3, 2, 1);
        let region = Region::of(&mask).unwrap();
        assert_eq!((region.corner(), region.area()), ([1, 2], 2));
        assert_eq!((region.mask().height(), region.mask().width()), (3, 3));
        assert_eq!(region.whole(), mask.map(|&v| u8::from(v != 0)));
        assert_eq!(region.pixels().collect::<Vec<_>>(), [(1, 4), (3, 2)]);
    }

    #[test]
    fn no_pixel_is_no_region() {
        for size in [(0, 0), (3, 4)] {
            assert_eq!(Region::of(&Plane::filled(size.0, size.1, 0)), None);
        }
    }
}
