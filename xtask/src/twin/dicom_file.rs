//! A DICOM file of one grey 8-bit image as JPEG baseline, with no more elements than a reader needs.

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageError};
use weakseg_data::Plane;

const SECONDARY_CAPTURE: &str = "1.2.840.10008.5.1.4.1.1.7";
const JPEG_BASELINE: &str = "1.2.840.10008.1.2.4.50";
/// Of the JPEG, out of 100: what scanners' archives use.
const QUALITY: u8 = 92;

/// Who an image belongs to.
pub struct Identity {
    pub patient: String,
    pub study: String,
    pub series: String,
    pub instance: String,
}

/// The bytes of the file.
pub fn encode(image: &Plane<u8>, identity: &Identity) -> Result<Vec<u8>, ImageError> {
    let mut meta = Elements::default();
    meta.long((2, 1), b"OB", &[0, 1]);
    meta.text((2, 2), b"UI", SECONDARY_CAPTURE);
    meta.text((2, 3), b"UI", &identity.instance);
    meta.text((2, 0x10), b"UI", JPEG_BASELINE);
    meta.text((2, 0x12), b"UI", "2.25.1");
    let mut file = Elements(vec![0; 128]);
    file.0.extend(b"DICM");
    let length = u32::try_from(meta.0.len()).expect("a short group");
    file.short((2, 0), b"UL", &length.to_le_bytes());
    file.0.extend(meta.0);

    file.text((8, 0x16), b"UI", SECONDARY_CAPTURE);
    file.text((8, 0x18), b"UI", &identity.instance);
    file.text((8, 0x60), b"CS", "CR");
    file.text((0x10, 0x20), b"LO", &identity.patient);
    file.text((0x20, 0xd), b"UI", &identity.study);
    file.text((0x20, 0xe), b"UI", &identity.series);
    file.number((0x28, 2), 1);
    file.text((0x28, 4), b"CS", "MONOCHROME2");
    let side =
        |length: usize| u16::try_from(length).expect("an image of less than 65536 pixels a side");
    file.number((0x28, 0x10), side(image.height()));
    file.number((0x28, 0x11), side(image.width()));
    file.number((0x28, 0x100), 8);
    file.number((0x28, 0x101), 8);
    file.number((0x28, 0x102), 7);
    file.number((0x28, 0x103), 0);
    file.text((0x28, 0x2110), b"CS", "01");

    let mut frame = Vec::new();
    let (height, width) = (image.height() as u32, image.width() as u32);
    JpegEncoder::new_with_quality(&mut frame, QUALITY).encode(
        image.as_slice(),
        width,
        height,
        ExtendedColorType::L8,
    )?;
    if frame.len() % 2 == 1 {
        frame.push(0);
    }
    file.tag((0x7fe0, 0x10));
    file.0.extend(b"OB\0\0\xff\xff\xff\xff");
    // No table of offsets, the frame, the end.
    file.item(0xe000, 0);
    file.item(
        0xe000,
        u32::try_from(frame.len()).expect("a frame of less than 4 GiB"),
    );
    file.0.extend(frame);
    file.item(0xe0dd, 0);
    Ok(file.0)
}

/// Explicit VR, little endian.
#[derive(Default)]
struct Elements(Vec<u8>);

impl Elements {
    fn tag(&mut self, (group, element): (u16, u16)) {
        self.0.extend(group.to_le_bytes());
        self.0.extend(element.to_le_bytes());
    }

    fn short(&mut self, tag: (u16, u16), kind: &[u8; 2], value: &[u8]) {
        self.tag(tag);
        self.0.extend(kind);
        self.0.extend((value.len() as u16).to_le_bytes());
        self.0.extend(value);
    }

    /// Of the kinds with a length of four bytes.
    fn long(&mut self, tag: (u16, u16), kind: &[u8; 2], value: &[u8]) {
        self.tag(tag);
        self.0.extend(kind);
        self.0.extend([0, 0]);
        self.0.extend((value.len() as u32).to_le_bytes());
        self.0.extend(value);
    }

    fn text(&mut self, tag: (u16, u16), kind: &[u8; 2], value: &str) {
        let mut bytes = value.as_bytes().to_vec();
        if bytes.len() % 2 == 1 {
            bytes.push(if kind == b"UI" { 0 } else { b' ' });
        }
        self.short(tag, kind, &bytes);
    }

    fn number(&mut self, tag: (u16, u16), value: u16) {
        self.short(tag, b"US", &value.to_le_bytes());
    }

    fn item(&mut self, element: u16, length: u32) {
        self.tag((0xfffe, element));
        self.0.extend(length.to_le_bytes());
    }
}
