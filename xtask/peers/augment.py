"""Images a second of albumentations with the operations of the scope `pneumothorax`, from 1024 to 512 pixels, one channel.

Prints one JSON line, as crates/weakseg-data/examples/augment_speed.rs does: `augment_first` is the reference's order (change
at 1024 pixels, then shrink), `resize_first` the other one, with the elastic lengths of 512 pixels. As many processes as threads are
asked for, each with OpenCV on one thread, as a PyTorch data loader has them; the transforms call OpenCV and NumPy.

Arguments: threads, images a measurement. Needs albumentations and opencv-python-headless.
"""

import json
import multiprocessing
import os
import sys
import time

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import albumentations as A
import cv2
import numpy as np

THREADS, IMAGES = int(sys.argv[1]), int(sys.argv[2])


def scope(factor):
    """Elastic lengths shrink with the image, its alpha with the square. albumentations 2 has no affine part in it."""
    return [
        A.HorizontalFlip(p=0.5),
        A.OneOf(
            [A.RandomBrightnessContrast(brightness_limit=0.2, contrast_limit=0.2, p=1), A.RandomGamma(gamma_limit=(80, 120), p=1)], p=0.3
        ),
        A.OneOf(
            [
                A.ElasticTransform(alpha=120 * factor**2, sigma=6 * factor, border_mode=cv2.BORDER_REFLECT_101, p=1),
                A.OpticalDistortion(distort_limit=2, mode="camera", border_mode=cv2.BORDER_REFLECT_101, p=1),
            ],
            p=0.3,
        ),
    ]


def shrink():
    return A.Resize(512, 512, interpolation=cv2.INTER_AREA)


ORDERS = {"augment_first": lambda: [*scope(1.0), shrink()], "resize_first": lambda: [shrink(), *scope(0.5)]}


def work(order, seed, images, ready, begun):
    cv2.setNumThreads(0)
    y, x = np.mgrid[0:1024, 0:1024]
    xray = ((y * x // 512 + y // 3 + x // 2) % 256).astype(np.uint8)
    transform = A.Compose(ORDERS[order](), seed=seed)
    for _ in range(max(images // 8, 1)):
        transform(image=xray)
    ready.release()
    begun.wait()
    for _ in range(images):
        transform(image=xray)


def speed(order):
    ready, begun = multiprocessing.Semaphore(0), multiprocessing.Event()
    each = IMAGES // THREADS
    workers = [
        multiprocessing.Process(target=work, args=(order, seed, each, ready, begun)) for seed in range(THREADS)
    ]
    for worker in workers:
        worker.start()
    for _ in workers:
        ready.acquire()
    start = time.perf_counter()
    begun.set()
    for worker in workers:
        worker.join()
    return each * THREADS / (time.perf_counter() - start)


print(json.dumps({order: round(speed(order), 1) for order in ORDERS} | {"albumentations": A.__version__, "opencv": cv2.__version__}))
