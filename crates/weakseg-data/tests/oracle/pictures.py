"""Writes pictures with Pillow, for tests/it/files.rs: what other programs save must be read as they meant it.

Run from this folder: python pictures.py
"""

import numpy as np
from PIL import Image

ramp = (np.arange(8 * 10, dtype=np.uint32).reshape(8, 10) * 3 % 256).astype(np.uint8)
rgb = np.stack([ramp, 255 - ramp, ramp // 2], axis=-1)

Image.fromarray(rgb).save("rgb.jpg", quality=95, subsampling=0)
Image.fromarray(ramp).save("gray.jpg", quality=95)
Image.fromarray(rgb).save("progressive.jpg", quality=95, progressive=True, subsampling=0)
Image.fromarray(np.dstack([rgb, ramp])).convert("CMYK").save("cmyk.jpg")

rotated = Image.Exif()
rotated[0x0112] = 6
Image.fromarray(rgb).save("exif_rotated.jpg", quality=95, subsampling=0, exif=rotated)

classes = np.array([[0, 1, 2], [15, 20, 255]], dtype=np.uint8)
palette = Image.fromarray(classes, mode="P")
palette.putpalette([(i * 37 + c * 91) % 256 for i in range(256) for c in range(3)])
palette.save("classes_palette.png")

few = Image.fromarray(np.array([[0, 1, 2, 3, 2]], dtype=np.uint8), mode="P")
few.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
few.save("classes_palette_2bit.png", bits=2)
