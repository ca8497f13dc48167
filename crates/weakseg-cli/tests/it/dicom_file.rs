//! DICOM files made on the spot.

/// An X-ray of one row and these bytes, Explicit VR Little Endian; without bytes, a file that holds no image.
pub fn dicom(id: &str, bytes: Option<&[u8]>) -> Vec<u8> {
    let element = |tag: [u16; 2], vr: &str, value: &[u8]| {
        let mut element: Vec<u8> = tag.iter().flat_map(|word| word.to_le_bytes()).collect();
        let pad = value.len() % 2;
        element.extend(vr.as_bytes());
        let length = (value.len() + pad) as u32;
        if vr == "OB" {
            element.extend([0, 0]);
            element.extend(length.to_le_bytes());
        } else {
            element.extend((length as u16).to_le_bytes());
        }
        element.extend(value);
        element.extend(vec![0; pad]);
        element
    };
    let word = |tag, value: u16| element(tag, "US", &value.to_le_bytes());
    let syntax = element([2, 0x10], "UI", b"1.2.840.10008.1.2.1");
    let class = element([2, 2], "UI", b"1.2.840.10008.5.1.4.1.1.1");
    let pixels = bytes.map(|bytes| element([0x7fe0, 0x10], "OB", bytes));
    let meta = [class, element([2, 3], "UI", id.as_bytes()), syntax].concat();
    [
        vec![0; 128],
        b"DICM".to_vec(),
        element([2, 0], "UL", &(meta.len() as u32).to_le_bytes()),
        meta,
        element([8, 0x18], "UI", id.as_bytes()),
        element([0x10, 0x20], "LO", id.as_bytes()),
        word([0x28, 2], 1),
        element([0x28, 4], "CS", b"MONOCHROME1 "),
        word([0x28, 0x10], 1),
        word([0x28, 0x11], bytes.map_or(1, <[u8]>::len) as u16),
        word([0x28, 0x100], 8),
        word([0x28, 0x101], 8),
        word([0x28, 0x102], 7),
        word([0x28, 0x103], 0),
        pixels.unwrap_or_default(),
    ]
    .concat()
}
