"""Records what PyTorch, Pillow and OpenCV make of small images, for tests/it/oracle.rs.

Run from this folder: python resize.py > resize.json
"""

import json

import cv2
import numpy as np
import PIL
import torch
from PIL import Image

HEIGHT, WIDTH = 11, 13
SIZES = [(5, 6), (7, 20), (23, 9), (1, 1), (22, 26)]

# The same whole numbers on both sides: no generator to agree on.
index = np.arange(HEIGHT * WIDTH, dtype=np.int64)
image = ((index * index * 7 + index * 31) % 256).astype(np.uint8).reshape(HEIGHT, WIDTH)
maps = torch.from_numpy(image.astype(np.float32) / 16 - 4)[None, None]

cases = []
for height, width in SIZES:
    bilinear = torch.nn.functional.interpolate(
        maps, size=(height, width), mode="bilinear", align_corners=False, antialias=False
    )
    picture = Image.fromarray(image)
    case = {
        "height": height,
        "width": width,
        "torch_bilinear": bilinear.flatten().tolist(),
    }
    for name in ("BILINEAR", "BICUBIC", "NEAREST"):
        resized = picture.resize((width, height), getattr(Image.Resampling, name))
        case[f"pillow_{name.lower()}"] = np.asarray(resized).flatten().tolist()
    if height < HEIGHT and width < WIDTH:
        case["opencv_area"] = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA).flatten().tolist()
    cases.append(case)

versions = {"torch": torch.__version__.split("+")[0], "pillow": PIL.__version__, "opencv": cv2.__version__, "numpy": np.__version__}
print(json.dumps({"versions": versions, "image_height": HEIGHT, "image_width": WIDTH, "cases": cases}))
