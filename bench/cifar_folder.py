#!/usr/bin/env python3
"""Writes pictures of CIFAR-10 (binary version) as a folder data set of PNG files.

  cifar_folder.py CIFAR-DIRECTORY OUT CLASSES [--train N] [--test N]

CLASSES are numbers: 0-4 or 5,7,9. The first N images of each class are taken, of the training and of the test images (default: all). OUT then holds
train/CLASS/00001.png and so on, and test/ likewise. Needs Python's own modules alone.
"""
import argparse
import os
import struct
import zlib


def png(planes):
    """A picture of 32 x 32 pixels, from its planes of red, green and blue."""
    rows = b"".join(b"\0" + bytes(planes[c * 1024 + y * 32 + x] for x in range(32) for c in range(3)) for y in range(32))
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 32, 32, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


def write(files, out, names, classes, most):
    counts = dict.fromkeys(classes, 0)
    for file in files:
        with open(file, "rb") as f:
            data = f.read()
        for at in range(0, len(data), 3073):
            label = data[at]
            if label not in counts or counts[label] >= most:
                continue
            counts[label] += 1
            folder = os.path.join(out, names[label])
            os.makedirs(folder, exist_ok=True)
            with open(os.path.join(folder, "%05d.png" % counts[label]), "wb") as f:
                f.write(png(data[at + 1:at + 3073]))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("source")
    p.add_argument("out")
    p.add_argument("classes")
    p.add_argument("--train", type=int, default=5000)
    p.add_argument("--test", type=int, default=1000)
    o = p.parse_args()
    classes = []
    for part in o.classes.split(","):
        first, _, last = part.partition("-")
        classes += range(int(first), int(last or first) + 1)
    with open(os.path.join(o.source, "batches.meta.txt")) as f:
        names = f.read().split()
    write([os.path.join(o.source, "data_batch_%d.bin" % i) for i in range(1, 6)], os.path.join(o.out, "train"), names, classes, o.train)
    write([os.path.join(o.source, "test_batch.bin")], os.path.join(o.out, "test"), names, classes, o.test)


if __name__ == "__main__":
    main()
