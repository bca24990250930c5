"""unrelu inverts ReLU and LeakyReLU generators in bulk.

Given observations ``x = G(z)``, noisy or with missing entries, it returns the latent codes ``z``:
layer by layer by certified linear programs, or by a search from many starts.

>>> import unrelu
>>> network = unrelu.Network.random([5, 20, 60], seed=1)
>>> x = network.forward(network.random_codes(3, seed=1))
>>> unrelu.invert(network, x).status.tolist()
['converged', 'converged', 'converged']
"""

from __future__ import annotations

import os as _os
import tempfile as _tempfile

# Where this is missing, as in a container, Mesa's Vulkan layer prints an error whenever adapters
# are listed. It looks there for a display; a temporary folder has none.
_os.environ.setdefault("XDG_RUNTIME_DIR", _tempfile.gettempdir())

from unrelu._engines import Inverter, Projector, Recoverer, invert, recover
from unrelu._errors import DeviceError, InputError, InputTypeError, UnreluError, UnreluWarning
from unrelu._network import Network
from unrelu._result import Projection, Result
from unrelu._unrelu import __version__, gaussian_operator

__all__ = [
    "DeviceError",
    "InputError",
    "InputTypeError",
    "Inverter",
    "Network",
    "Projection",
    "Projector",
    "Recoverer",
    "Result",
    "UnreluError",
    "UnreluWarning",
    "__version__",
    "gaussian_operator",
    "invert",
    "recover",
]
