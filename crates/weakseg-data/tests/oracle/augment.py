"""Records what albumentations, OpenCV and SciPy make of a small image, for src/augment/oracle.rs.

Needs numpy, scipy, opencv-python-headless and albumentations. Run from this folder: python augment.py > augment.json
"""

import json

import albumentations
import albumentations.augmentations.pixel.functional as pixel
import cv2
import numpy as np
import scipy
from scipy.ndimage import gaussian_filter, map_coordinates

HEIGHT, WIDTH = 32, 24

# The same whole numbers on both sides: no generator to agree on.
y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.int64)
image = np.stack([(y * 5 + x * 3 * (c + 1) + (y * x * (c + 2)) % 23 * 4) % 256 for c in range(3)], axis=-1).astype(np.uint8)
# Colours that no other lightness takes out of sRGB.
muted = image // 2 + 64
gray = np.ascontiguousarray(image[..., 0])


def planar(array):
    """Values plane by plane."""
    return (array if array.ndim == 2 else array.transpose(2, 0, 1)).flatten().tolist()


def warped(source_y, source_x):
    """Between the four nearest pixels, mirrored at the border: exact, where cv2.remap rounds coordinates to 1/32 pixel."""
    values = map_coordinates(gray.astype(np.float64), [source_y, source_x], order=1, mode="mirror")
    return values.round(4).flatten().tolist()


def affine(scale, degrees, dy, dx):
    """OpenCV's rotation matrix about the centre, then a shift; every output pixel asks where it comes from."""
    matrix = cv2.getRotationMatrix2D(((WIDTH - 1) / 2, (HEIGHT - 1) / 2), degrees, scale)
    matrix[0, 2] += dx
    matrix[1, 2] += dy
    inverse = cv2.invertAffineTransform(matrix)
    return warped(
        inverse[1, 0] * x + inverse[1, 1] * y + inverse[1, 2], inverse[0, 0] * x + inverse[0, 1] * y + inverse[0, 2]
    )


def optical(k):
    """albumentations' camera model before 2.0, with the centre between the pixels."""
    camera = np.array([[WIDTH, 0, (WIDTH - 1) / 2], [0, WIDTH, (HEIGHT - 1) / 2], [0, 0, 1]], dtype=np.float64)
    map_x, map_y = cv2.initUndistortRectifyMap(
        camera, np.array([k, k, 0, 0, 0], dtype=np.float64), None, camera, (WIDTH, HEIGHT), cv2.CV_32FC1
    )
    return warped(map_y, map_x)


def sharpen(alpha, lightness):
    """The matrix of albumentations' Sharpen."""
    still = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]], dtype=np.float32)
    edges = np.array([[-1, -1, -1], [-1, 8 + lightness, -1], [-1, -1, -1]], dtype=np.float32)
    return planar(pixel.convolve(image, (1 - alpha) * still + alpha * edges))


def blurred(sigma):
    side = 2 * int(np.ceil(3 * sigma)) + 1
    return planar(cv2.GaussianBlur(image, (side, side), sigma, borderType=cv2.BORDER_REPLICATE))


def wander(alpha, sigma):
    """Root mean square of albumentations' elastic displacement, in pixels."""
    generator = np.random.default_rng(0)
    fields = [gaussian_filter(generator.uniform(-1, 1, (512, 512)), sigma, mode="wrap") * alpha for _ in range(8)]
    return float(np.sqrt(np.mean(np.square(fields))))


print(
    json.dumps(
        {
            "versions": {
                "albumentations": albumentations.__version__,
                "opencv": cv2.__version__,
                "scipy": scipy.__version__,
                "numpy": np.__version__,
            },
            "height": HEIGHT,
            "width": WIDTH,
            "clahe_gray": [[clip, tiles, planar(pixel.clahe(gray, clip, (tiles, tiles)))] for clip, tiles in [(1.0, 8), (2.0, 8), (2.0, 5), (4.0, 2)]],
            "clahe_colour": [[clip, tiles, planar(pixel.clahe(muted, clip, (tiles, tiles)))] for clip, tiles in [(2.0, 2), (3.0, 1)]],
            "gamma": [[gamma, planar(pixel.gamma_transform(image, gamma))] for gamma in (0.8, 1.2)],
            "sharpen": [[a, l, sharpen(a, l)] for a, l in [(0.2, 0.5), (0.5, 1.0)]],
            "median": [[size, planar(cv2.medianBlur(image, size))] for size in (3, 5, 7)],
            "blur": [[sigma, blurred(sigma)] for sigma in (0.4, 1.2)],
            "hsv": [[h, s, v, planar(pixel.shift_hsv(image, h, s, v))] for h, s, v in [(20, 0, 0), (-20, 30, 0), (7, -30, 20)]],
            "affine": [[s, r, dy, dx, affine(s, r, dy, dx)] for s, r, dy, dx in [(1.2, 30, 0, 0), (0.8, -17, 3.5, -2.25)]],
            "optical": [[k, optical(k)] for k in (2.0, -2.0, 0.3)],
            "elastic": [[a, s, wander(a, s)] for a, s in [(120.0, 6.0), (30.0, 3.0)]],
        }
    )
)
