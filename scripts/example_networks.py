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


def write_tensors(path, metadata, tensors):
    """safetensors: header length (8 bytes, little-endian), JSON header, then the tensors.
    `tensors`: arrays of f2 or f4 by name."""
    header, data = {"__metadata__": metadata}, b""
    for name, tensor in tensors.items():
        raw = np.ascontiguousarray(tensor).astype(tensor.dtype.newbyteorder("<")).tobytes()
        dtype = {2: "F16", 4: "F32"}[tensor.dtype.itemsize]
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    Path(path).write_bytes(struct.pack("<Q", len(text)) + text + data)


def read_tensors(path):
    """The metadata of a file of `write_tensors`, and its tensors by name."""
    raw = Path(path).read_bytes()
    (length,) = struct.unpack_from("<Q", raw)
    header = json.loads(raw[8 : 8 + length])
    metadata, tensors = header.pop("__metadata__"), {}
    for name, entry in header.items():
        start, end = (8 + length + offset for offset in entry["data_offsets"])
        values = np.frombuffer(raw[start:end], {"F16": "<f2", "F32": "<f4"}[entry["dtype"]])
        tensors[name] = values.reshape(entry["shape"])
    return metadata, tensors


def save(path, generator):
    """Writes the weights, and the activation as metadata."""
    metadata = {"activation": generator.activation, "output_activation": generator.activation}
    weights = {f"layers.{i}.weight": weight.astype("<f4") for i, weight in enumerate(generator.weights)}
    write_tensors(path, metadata, weights)


def load(path):
    metadata, tensors = read_tensors(path)
    name = metadata["activation"]
    slope = 0.0 if name == "relu" else float(name.removeprefix("leaky_relu:"))
    return Generator([tensors[f"layers.{i}.weight"] for i in range(len(tensors))], slope)


def dense_examples(folder):
    """The files in a folder that `load` reads: those that name one activation for all layers."""
    return [path for path in sorted(Path(folder).glob("*.safetensors")) if "activation" in read_tensors(path)[0]]


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
