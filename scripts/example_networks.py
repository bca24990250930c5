"""Code shared by the training and checking scripts: generators as `.safetensors` files, their
forward pass, and grey pictures."""

import json
import struct
import zlib
from pathlib import Path

import numpy as np


class Generator:
    """Layers without biases, all with one activation; slope 0 is ReLU, any other LeakyReLU."""

    def __init__(self, weights, slope):
        self.weights = [np.asarray(w) for w in weights]
        self.slope = slope

    @property
    def activation(self):
        return "relu" if self.slope == 0 else f"leaky_relu:{self.slope:g}"

    def layers(self, codes):
        """The output of every layer, in f64, one sample per row."""
        values, out = np.asarray(codes, np.float64), []
        for weight in self.weights:
            before = values @ weight.astype(np.float64).T
            values = np.where(before > 0, before, self.slope * before)
            out.append(values)
        return out

    def run(self, codes):
        return self.layers(codes)[-1]


def save(path, generator):
    """safetensors: header length (8 bytes, little-endian), JSON header, then the tensors."""
    header = {"__metadata__": {"activation": generator.activation, "output_activation": generator.activation}}
    data = b""
    for i, weight in enumerate(generator.weights):
        raw = np.ascontiguousarray(weight, "<f4").tobytes()
        header[f"layers.{i}.weight"] = {"dtype": "F32", "shape": list(weight.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    Path(path).write_bytes(struct.pack("<Q", len(text)) + text + data)


def load(path):
    raw = Path(path).read_bytes()
    (length,) = struct.unpack_from("<Q", raw)
    header = json.loads(raw[8 : 8 + length])
    name = header["__metadata__"]["activation"]
    slope = 0.0 if name == "relu" else float(name.removeprefix("leaky_relu:"))
    weights = []
    while (entry := header.get(f"layers.{len(weights)}.weight")) is not None:
        start, end = entry["data_offsets"]
        values = np.frombuffer(raw[8 + length + start : 8 + length + end], "<f4")
        weights.append(values.reshape(entry["shape"]))
    return Generator(weights, slope)


def write_grid(path, images, columns, side=28, gap=2):
    """A grey 8-bit PNG of images in 0..1 (dark ink on white), one per row of `images`."""
    rows = -(-len(images) // columns)
    step = side + gap
    canvas = np.zeros((rows * step + gap, columns * step + gap))
    for i, image in enumerate(images):
        top, left = gap + step * (i // columns), gap + step * (i % columns)
        canvas[top : top + side, left : left + side] = np.clip(image.reshape(side, side), 0, 1)
    pixels = np.round(255 * (1 - canvas)).astype(np.uint8)
    lines = b"".join(b"\0" + line.tobytes() for line in pixels)

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width = pixels.shape
    Path(path).write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(lines, 9))
        + chunk(b"IEND", b"")
    )
