#!/usr/bin/env python3
"""Makes tests/fixtures with PyTorch, NumPy and the safetensors package. So the expected contents of
a file come from the libraries that write such files, not from unrelu.

    pip install torch numpy safetensors
    python scripts/make_fixtures.py tests/fixtures

Each network NAME.* comes with NAME.codes.npy and NAME.outputs.npy: some codes and PyTorch's outputs
for them.
"""
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

out = Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
torch.manual_seed(1)


def with_outputs(name, generator, inputs, count=5):
    """Writes the reference for the tests: codes and PyTorch's outputs in f64."""
    generator = generator.double().eval()
    codes = torch.randn(count, inputs, dtype=torch.float64)
    np.save(out / f"{name}.codes.npy", codes.numpy())
    with torch.no_grad():
        np.save(out / f"{name}.outputs.npy", generator(codes).numpy())


def trained_norm(norm):
    """Sets statistics and parameters to values like those after training."""
    with torch.no_grad():
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2.0)
        norm.weight.normal_()
        norm.bias.normal_()
    return norm


# A variational autoencoder whose layers share one naming scheme; the generator is fc3, fc4.
class Vae(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(12, 6)
        self.fc21 = nn.Linear(6, 2)
        self.fc22 = nn.Linear(6, 2)
        self.fc3 = nn.Linear(2, 6)
        self.fc4 = nn.Linear(6, 12)


vae = Vae()
torch.save(vae.state_dict(), out / "vae_zip.pth")
torch.save(vae.state_dict(), out / "vae_legacy.pt", _use_new_zipfile_serialization=False)
save_file(vae.state_dict(), out / "vae.safetensors")
with_outputs("vae", nn.Sequential(vae.fc3, nn.ReLU(), vae.fc4, nn.Sigmoid()), 2)

# A checkpoint as training scripts write it: nested, with an encoder, the decoder and the state of
# the optimizer.
encoder = nn.Sequential(nn.Linear(10, 5), nn.ReLU(), nn.Linear(5, 2))
decoder = nn.Sequential(nn.Linear(2, 5), nn.LeakyReLU(0.2), nn.Linear(5, 10))
model = nn.Module()
model.encoder, model.decoder = encoder, decoder
optimizer = torch.optim.Adam(decoder.parameters())
decoder(torch.randn(3, 2)).sum().backward()
optimizer.step()
torch.save(
    {"epoch": 3, "state_dict": model.state_dict(), "optimizer": optimizer.state_dict()},
    out / "checkpoint.pth",
)
with_outputs("checkpoint", decoder, 2)

# BatchNorm between linear and activation, numbered past nine: the order of layers is not the order
# of their names.
norms = nn.Sequential(
    OrderedDict(
        [
            ("0", nn.Linear(2, 4)), ("1", trained_norm(nn.BatchNorm1d(4))), ("2", nn.ReLU()),
            ("5", nn.Linear(4, 5, bias=False)), ("6", trained_norm(nn.BatchNorm1d(5))), ("7", nn.ReLU()),
            ("10", nn.Linear(5, 6)), ("11", nn.ReLU()),
            ("12", nn.Linear(6, 7)), ("13", nn.Tanh()),
        ]
    )
)
torch.save(norms.state_dict(), out / "batch_norm.pth")
with_outputs("batch_norm", norms, 2)

# BatchNorm after the activation; its name does not show this place.
behind = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.BatchNorm1d(4), nn.Linear(4, 6))
torch.save(behind.state_dict(), out / "batch_norm_behind_relu.pth")

# A convolution.
convolution = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Unflatten(1, (2, 2, 2)), nn.ConvTranspose2d(2, 1, 2))
torch.save(convolution.state_dict(), out / "convolution.pth")

# Half precision, a transposed view and quantized weights.
half = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 6))
with torch.no_grad():
    half[2].weight.copy_(half[2].weight.to(torch.bfloat16))
    half[0].weight.copy_(half[0].weight.half())
stored = half.state_dict()
stored["0.weight"] = stored["0.weight"].half()
stored["2.weight"] = stored["2.weight"].to(torch.bfloat16).t().contiguous().t()
torch.save(stored, out / "half.pth")
with_outputs("half", nn.Sequential(*half, nn.ReLU()), 2)
torch.save({"0.weight": torch.ones(4, 2, dtype=torch.int8)}, out / "integers.pth")

# The whole model pickled, not its state_dict.
torch.save(nn.Sequential(nn.Linear(2, 4), nn.ReLU()), out / "whole_model.pth")


# A pickle that runs a command in a reader that executes pickles.
class Command:
    def __reduce__(self):
        import os

        return os.system, ("touch unrelu_executed_a_pickle",)


torch.save({"0.weight": torch.ones(4, 2), "command": Command()}, out / "command.pth")

# Our own format with metadata, written by the format's own library.
generator = nn.Sequential(nn.Linear(3, 5), nn.LeakyReLU(0.1), nn.Linear(5, 9))
save_file(
    {
        "layers.0.weight": generator[0].weight.detach().double().contiguous(),
        "layers.0.bias": generator[0].bias.detach().double(),
        "layers.1.weight": generator[2].weight.detach().clone(),
        "layers.1.bias": generator[2].bias.detach().clone(),
    },
    out / "own.safetensors",
    metadata={"activation": "leaky_relu:0.1", "output_activation": "identity"},
)
with_outputs("own", generator, 3)

# Arrays as other programs write them; all hold the numbers of `array`.
array = np.arange(12, dtype=np.float64).reshape(4, 3) / 8 - 0.5
np.save(out / "f64.npy", array)
np.save(out / "f32.npy", array.astype(np.float32))
np.save(out / "big_endian.npy", array.astype(">f8"))
np.save(out / "big_endian_f32.npy", array.astype(">f4"))
np.save(out / "fortran.npy", np.asfortranarray(array))
np.save(out / "fortran_row.npy", np.asfortranarray(array[:1]))
with open(out / "version2.npy", "wb") as file:
    np.lib.format.write_array(file, array, version=(2, 0))
np.save(out / "u8.npy", np.array([[0, 51, 255], [1, 102, 254]], dtype=np.uint8))
np.save(out / "three_dimensions.npy", array.reshape(2, 2, 3))
np.save(out / "one_dimension.npy", array[0])
np.save(out / "complex.npy", array + 1j)
np.save(out / "object.npy", np.array([[1, "two", None]], dtype=object), allow_pickle=True)
np.save(out / "integers.npy", array.astype(np.int64))
np.save(out / "structured.npy", np.array([(1.0, 2.0)], dtype=[("a", "<f8"), ("b", "<f8")]))
np.save(out / "no_rows.npy", array[:0])
np.save(out / "no_columns.npy", array[:, :0])


# Whole models: one whose forward pass is its own, in the format before PyTorch 1.6, and one whose
# modules are in order. Both state more than a state_dict: classes of activations, eps.
class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.l1 = nn.Linear(2, 4)
        self.act = nn.LeakyReLU(0.2)
        self.l2 = nn.Linear(4, 6)
        self.out = nn.Tanh()

    def forward(self, z):
        return self.out(self.l2(self.act(self.l1(z))))


own_forward = Decoder()
torch.save(own_forward, out / "whole_model_legacy.pth", _use_new_zipfile_serialization=False)
with_outputs("whole_model_legacy", own_forward, 2)
in_order = nn.Sequential(
    nn.Linear(2, 4), nn.LeakyReLU(0.2), nn.Linear(4, 5), trained_norm(nn.BatchNorm1d(5, eps=0.8)), nn.ReLU(),
    nn.Linear(5, 6), nn.Sigmoid(),
)
torch.save(in_order, out / "whole_model_in_order.pth")
torch.save(nn.Sequential(nn.Linear(2, 4), nn.GELU(), nn.Linear(4, 6)), out / "gelu.pth")

# Weights as arrays of NumPy: an archive, a pickled dictionary, and the kernels of Flax.
arrays = {name: tensor.numpy() for name, tensor in vae.state_dict().items()}
np.savez(out / "vae.npz", **arrays)
np.save(out / "vae_dictionary.npy", arrays, allow_pickle=True)
torch.save({"decoder": arrays}, out / "vae_arrays.pth")
np.savez_compressed(
    out / "flax.npz",
    **{
        "params/Dense_0/kernel": np.asfortranarray(arrays["fc3.weight"].T), "params/Dense_0/bias": arrays["fc3.bias"],
        "params/Dense_1/kernel": arrays["fc4.weight"].T, "params/Dense_1/bias": arrays["fc4.bias"],
    },
)
