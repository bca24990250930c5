"""Generators as people write them in PyTorch: those that layers can express, and others."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations


class Vae(nn.Module):
    """The variational autoencoder of PyTorch's examples, smaller."""

    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(28, 16)
        self.fc21 = nn.Linear(16, 4)
        self.fc22 = nn.Linear(16, 4)
        self.fc3 = nn.Linear(4, 16)
        self.fc4 = nn.Linear(16, 28)

    def encode(self, x):
        h1 = F.relu(self.fc1(x))
        return self.fc21(h1), self.fc22(h1)

    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        return mu + torch.randn_like(std) * std

    def decode(self, z):
        h3 = F.relu(self.fc3(z))
        return torch.sigmoid(self.fc4(h3))

    def forward(self, x):
        mu, logvar = self.encode(x.view(-1, 28))
        z = self.reparameterize(mu, logvar)
        return self.decode(z), mu, logvar


class GanGenerator(nn.Module):
    """The generator of PyTorch-GAN, whose BatchNorm has an eps of 0.8."""

    def __init__(self, image_shape=(1, 6, 6)):
        super().__init__()
        self.image_shape = image_shape

        def block(inputs, outputs, normalize=True):
            layers = [nn.Linear(inputs, outputs)]
            if normalize:
                layers.append(nn.BatchNorm1d(outputs, 0.8))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
            return layers

        self.model = nn.Sequential(
            *block(5, 12, normalize=False),
            *block(12, 20),
            nn.Linear(20, torch.Size(image_shape).numel()),
            nn.Tanh(),
        )

    def forward(self, z):
        img = self.model(z)
        return img.view(img.size(0), *self.image_shape)


class NormalizedVae(nn.Module):
    """Encoder and decoder with BatchNorm, as submodules; the image is unflattened."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(24, 10), nn.BatchNorm1d(10), nn.ReLU())
        self.decoder = nn.ModuleDict(
            {
                "body": nn.Sequential(
                    nn.Linear(3, 10),
                    nn.BatchNorm1d(10, eps=1e-3),
                    nn.ReLU(),
                    nn.Dropout(0.2),
                    nn.Linear(10, 18),
                    nn.ReLU(),
                    nn.BatchNorm1d(18, affine=False),
                ),
                "head": nn.Linear(18, 24),
            }
        )
        self.shape = nn.Unflatten(1, (2, 3, 4))

    def decode(self, z):
        return torch.sigmoid(self.shape(self.decoder["head"](self.decoder["body"](z))))

    def forward(self, x):
        return self.decode(self.encoder(x)[:, :3])


class TiedAutoencoder(nn.Module):
    """The decoder uses the encoder's weights, transposed."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(20, 12)
        self.second = nn.Linear(12, 4)
        self.biases = nn.ParameterList([torch.zeros(12), torch.zeros(20)])

    def decode(self, z):
        h = F.relu(F.linear(z, self.second.weight.t(), self.biases[0]))
        return torch.sigmoid(F.linear(h, self.first.weight.t(), self.biases[1]))


class Looped(nn.Module):
    """Layers in a ModuleList, the last one without an activation; dropout as a function."""

    def __init__(self, sizes=(4, 10, 14, 20)):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))

    def forward(self, z):
        for number, layer in enumerate(self.layers):
            z = layer(z)
            if number < len(self.layers) - 1:
                z = F.dropout(F.relu(z, inplace=True), 0.3, self.training)
        return z


class Standardized(nn.Module):
    """Codes and images are rescaled by buffers, the images also by constants."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 9), nn.ReLU(), nn.Linear(9, 12))
        self.register_buffer("code_std", torch.rand(4) + 0.5)
        self.register_buffer("mean", torch.randn(12), persistent=False)
        self.std = torch.rand(12) + 0.5

    def forward(self, z):
        x = self.net(z * self.code_std - 0.1)
        x = x * self.std + self.mean
        return (x * 2 - 1) / 0.3081


class Matrices(nn.Module):
    """Parameters and matrix products instead of Linear, with a gain behind the activation."""

    def __init__(self):
        super().__init__()
        self.w1 = nn.Parameter(torch.randn(4, 10))
        self.b1 = nn.Parameter(torch.randn(10))
        self.gain = nn.Parameter(torch.rand(10) + 0.5)
        self.w2 = nn.Parameter(torch.randn(10, 15))

    def forward(self, z):
        h = torch.clamp(z @ self.w1 + self.b1, min=0) * self.gain
        return torch.einsum("bi,ij->bj", h, self.w2)


class Halves(nn.Module):
    """Halves of a layer go different ways and meet again, as in a CReLU."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 12)
        self.second = nn.Linear(24, 16)

    def forward(self, z):
        h = self.first(z)
        a, b = h.chunk(2, dim=1)
        h = torch.cat([F.relu(a), torch.relu(b), F.relu(-h)], dim=1)
        x, y = torch.split(self.second(h), 8, dim=1)
        return torch.stack([x, y], dim=1).permute(0, 2, 1)


class Heads(nn.Module):
    """Two heads make the parts of one image."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(4, 10), nn.ReLU())
        self.low, self.high = nn.Linear(10, 6), nn.Linear(10, 9)

    def forward(self, z):
        h = self.trunk(z)
        return torch.sigmoid(torch.cat((self.low(h), self.high(h)), -1)).view(len(z), 3, -1)


class OtherCalls(nn.Module):
    """The less usual ways to write a ReLU, and in-place arithmetic."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(4, 8), nn.Linear(8, 8), nn.Linear(8, 12)
        self.d = nn.Linear(12, 6)

    def forward(self, z):
        h = torch.maximum(self.a(z), torch.zeros_like(self.a(z)))
        h = self.b(h).clamp_min(-0.5)
        h += 1
        h = F.threshold(self.c(h.mul_(0.5)), 0.25, 0.25)
        return torch.minimum(self.d(h), torch.tensor(0.75)).squeeze()


class PixelImage(nn.Module):
    """A linear map per pixel and a pixel shuffle behind the decoder."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 2 * 3 * 5)
        self.pixel = nn.Linear(5, 4)
        self.shuffle = nn.PixelShuffle(2)

    def forward(self, z):
        h = self.fc(z).relu().view(-1, 5)
        x = self.pixel(h).view(z.shape[0], 2, 3, 4).permute(0, 3, 1, 2)
        return torch.sigmoid(F.interpolate(self.shuffle(x), scale_factor=2, mode="nearest"))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(4, 8), nn.Linear(8, 8), nn.Linear(8, 12)

    def forward(self, z):
        h = F.relu(self.a(z))
        h = h + F.relu(self.b(h))
        return self.c(h)


class CodeSkip(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 8), nn.Linear(12, 12)

    def forward(self, z):
        return self.b(torch.cat([F.relu(self.a(z)), z], 1))


class Conditional(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(14, 12)

    def forward(self, z, label):
        return self.a(torch.cat([z, F.one_hot(label, 10)], 1))


class ConvDecoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 8 * 2 * 2)
        self.up = nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(8, 1, 4, 2, 1), nn.Sigmoid())

    def forward(self, z):
        return self.up(self.fc(z).view(-1, 8, 2, 2))


class LargeImage(nn.Module):
    """As dense layers, it would need a square matrix for the rescaling."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 3 * 128 * 128)

    def forward(self, z):
        return F.relu(self.fc(z)) - 0.5


class FunctionalGelu(nn.Module):
    def __init__(self):
        super().__init__()
        self.decoder = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8))
        self.out = nn.Linear(8, 12)

    def forward(self, z):
        return self.out(F.gelu(self.decoder(z)))


class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 16), nn.Linear(8, 12)

    def forward(self, z):
        x, gate = self.a(z).chunk(2, 1)
        return self.b(x * torch.sigmoid(gate))


class OutputOf(nn.Module):
    """A decoder with another last step."""

    def __init__(self, last, hidden=None):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 9), hidden or nn.ReLU(), nn.Linear(9, 12))
        self.last = last

    def forward(self, z):
        return self.last(self.net(z))


def sequential(*hidden, last=None):
    """Linear 4 to 9, the hidden modules, Linear 9 to 12, and a last module."""
    end = [] if last is None else [last]
    return nn.Sequential(nn.Linear(4, 9), *hidden, nn.Linear(9, 12), *end)


def per_channel_prelu():
    activation = nn.PReLU(9)
    activation.weight.data.copy_(torch.linspace(0.1, 0.5, 9))
    return sequential(activation)


def old_weight_norm():
    model = sequential(nn.ReLU())
    torch.nn.utils.weight_norm(model[0])
    torch.nn.utils.spectral_norm(model[2])
    return model


READ = {
    "relu and sigmoid": lambda: sequential(nn.ReLU(), last=nn.Sigmoid()),
    "leaky relu and tanh": lambda: sequential(nn.LeakyReLU(0.2), last=nn.Tanh()),
    "relu output": lambda: sequential(nn.ReLU(), last=nn.ReLU()),
    "vae.decode": lambda: Vae(),
    "gan generator": GanGenerator,
    "vae with batch norm": NormalizedVae,
    "tied weights": TiedAutoencoder,
    "module list": Looped,
    "standardized": Standardized,
    "matrix products": Matrices,
    "halves": Halves,
    "heads": Heads,
    "other calls": OtherCalls,
    "pixels": PixelImage,
    "prelu": lambda: sequential(nn.PReLU()),
    "prelu, equal slopes": lambda: sequential(nn.PReLU(9, init=0.3), last=nn.PReLU(12)),
    "affine hidden layers": lambda: sequential(nn.Identity(), nn.BatchNorm1d(9), nn.Dropout(0.5)),
    "batch norm around": lambda: sequential(nn.BatchNorm1d(9), nn.ReLU(), nn.BatchNorm1d(9, 1e-2)),
    "batch norm at both ends": lambda: nn.Sequential(
        nn.BatchNorm1d(4), *sequential(nn.ReLU()), nn.BatchNorm1d(12)
    ),
    "rescaled tanh": lambda: OutputOf(lambda x: 0.5 * (torch.tanh(x) + 1)),
    "rescaled sigmoid": lambda: OutputOf(lambda x: torch.sigmoid(x) * 2 - 1),
    "inverted and clamped": lambda: OutputOf(lambda x: (1 - torch.sigmoid(x)).clamp(0, 1)),
    "rescaled relu": lambda: OutputOf(lambda x: (1 - 3 * F.relu(x)).reshape(-1, 3, 4)),
    "parametrized norms": lambda: nn.Sequential(
        parametrizations.weight_norm(nn.Linear(4, 9)),
        nn.ReLU(),
        parametrizations.spectral_norm(nn.Linear(9, 12)),
    ),
    "norms by hooks": old_weight_norm,
    "signs known": lambda: OutputOf(lambda x: F.leaky_relu(-F.relu(x), 0.3) - torch.ones(12) * 0.7),
    "slope above 1": lambda: sequential(nn.LeakyReLU(1.75), last=nn.LeakyReLU(2.0)),
    "slopes 0 and 1": lambda: OutputOf(nn.LeakyReLU(1.0), nn.LeakyReLU(0.0)),
    "rrelu": lambda: sequential(nn.RReLU()),
}

# What is read as a list of operations.
OPERATIONS = {
    "hidden tanh": lambda: sequential(nn.Tanh()),
    "hidden sigmoid": lambda: OutputOf(nn.Identity(), nn.Sigmoid()),
    "gelu": lambda: OutputOf(nn.Identity(), nn.GELU()),
    "silu": lambda: sequential(nn.SiLU()),
    "elu": lambda: sequential(nn.ELU()),
    "softplus": lambda: sequential(nn.Softplus()),
    "relu6": lambda: sequential(nn.ReLU6()),
    "hardtanh": lambda: sequential(nn.Hardtanh()),
    "functional gelu": FunctionalGelu,
    "slopes per channel": per_channel_prelu,
    "convolutions": ConvDecoder,
    "image in 0 to 255": lambda: OutputOf(lambda x: 255 * torch.sigmoid(x)),
    "rescaled relu of a large image": lambda: LargeImage(),
}

# What is refused, and the place that the message names.
REFUSED = {
    "layer norm": (lambda: sequential(nn.LayerNorm(9)), "1 (LayerNorm)", "operation layer_norm"),
    "softmax": (lambda: sequential(nn.ReLU(), last=nn.Softmax(1)), "3 (Softmax)", "softmax"),
    "tanhshrink": (lambda: sequential(nn.Tanhshrink()), "1 (Tanhshrink)", "x - tanh(x)"),
    "residual": (Residual, "Residual", "a skip connection"),
    "skip of the code": (CodeSkip, "CodeSkip", "a skip connection"),
    "conditional": (Conditional, "Conditional", "2 required arguments (z, label)"),
    "gated": (Gated, "Gated", "both depend on the code"),
}


def prepared(factory, dtype=torch.float32, seed=0):
    """A module in eval mode with random parameters and statistics; `decode` where it has one."""
    torch.manual_seed(seed)
    module = factory()
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, nn.BatchNorm1d):
                part.running_mean.normal_()
                part.running_var.uniform_(0.2, 2.0)
                if part.affine:
                    part.weight.normal_()
                    part.bias.normal_()
            elif isinstance(part, nn.Linear) and part.bias is not None:
                part.bias.normal_()
    module = module.to(dtype).eval()
    return module.decode if hasattr(module, "decode") else module
