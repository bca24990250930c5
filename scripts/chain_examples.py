"""The two example generators that are chains of operations, as modules of PyTorch and as files.

A file holds the tensors of the module's `state_dict`, and in its metadata the list of operations of
docs/OPERATIONS.md. `load` makes the module from its definition here and the tensors of the file. It
does not read the list, so a comparison with unrelu tests the list.
"""

import json
from pathlib import Path

import numpy as np
import torch
from torch import nn

import example_networks as nets

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
CODE = 20


def softplus_decoder():
    """The decoder of the VAE of CSGM (Bora, Jalal, Price, Dimakis, ICML 2017): 20-500-500-784."""
    return nn.Sequential(
        nn.Linear(CODE, 500),
        nn.Softplus(),
        nn.Linear(500, 500),
        nn.Softplus(),
        nn.Linear(500, 784),
        nn.Sigmoid(),
    )


def dcgan_decoder():
    """A generator in the manner of DCGAN: (20, 1, 1) to (1, 28, 28), in -1..1."""
    return nn.Sequential(
        nn.ConvTranspose2d(CODE, 64, 7, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.ConvTranspose2d(32, 1, 4, stride=2, padding=1),
        nn.Tanh(),
    )


# Name of the network -> file, definition, shape of a code, type of the numbers in the file.
FILES = {
    "softplus": ("mnist_softplus_20_500_500_784.safetensors", softplus_decoder, (CODE,), "f2"),
    "dcgan": ("mnist_dcgan_20_1x28x28.safetensors", dcgan_decoder, (CODE, 1, 1), "f4"),
}


def path_of(name, folder=EXAMPLES):
    return Path(folder) / FILES[name][0]


def operations(module, code_shape):
    """The list of operations of a module of this file, as docs/OPERATIONS.md defines it."""
    listed = []
    for place, layer in enumerate(module):
        tensors = {key: f"{place}.{key}" for key in layer.state_dict() if key != "num_batches_tracked"}
        if isinstance(layer, nn.Linear):
            listed.append({"op": "linear", **tensors})
        elif isinstance(layer, nn.ConvTranspose2d):
            shape = {"stride": list(layer.stride), "padding": list(layer.padding)}
            listed.append({"op": "conv_transpose2d", **tensors, **shape})
        elif isinstance(layer, nn.BatchNorm2d):
            listed.append({"op": "batch_norm", **tensors, "eps": layer.eps})
        else:
            listed.append({"op": type(layer).__name__.lower()})
    return {"format": "unrelu operations", "version": 1, "input": list(code_shape), "operations": listed}


def save(name, module, folder=EXAMPLES):
    """Writes the module's tensors, and its list of operations as metadata; returns the path."""
    _, _, code_shape, dtype = FILES[name]
    tensors = {
        key: tensor.numpy().astype(dtype)
        for key, tensor in module.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    path = path_of(name, folder)
    nets.write_tensors(path, {"operations": json.dumps(operations(module, code_shape))}, tensors)
    return path


def load(name, folder=EXAMPLES, dtype=torch.float32):
    """The module with the weights of the file, in eval mode, without gradients for its weights."""
    _, define, _, _ = FILES[name]
    _, tensors = nets.read_tensors(path_of(name, folder))
    module = define()
    # `num_batches_tracked` is in the module only: no output depends on it in eval mode.
    state = module.state_dict()
    unknown = set(tensors) - set(state)
    if unknown:
        raise SystemExit(f"{path_of(name, folder)}: found the tensors {sorted(unknown)}, which {name} does not have")
    state.update((key, torch.from_numpy(values.astype(np.float32))) for key, values in tensors.items())
    module.load_state_dict(state)
    return module.to(dtype).eval().requires_grad_(False)


def ink(name, images):
    """Images of the generator in 0..1, one per row."""
    flat = images.reshape(len(images), -1)
    return (flat + 1) / 2 if name == "dcgan" else flat
