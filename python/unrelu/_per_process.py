"""One open inverter per process for each network and set of options."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from typing import Any

from unrelu._engines import Inverter
from unrelu._network import Network

_KEPT = 4
_opened: OrderedDict[tuple[Any, ...], Inverter] = OrderedDict()
_lock = threading.Lock()


def digest_of(network: Network) -> str:
    """A digest of all numbers of a network: equal networks have equal digests in all processes."""
    digest = hashlib.sha256(repr((network.code_shape, network.image_shape)).encode())
    if network._operations is not None:
        document, tensors = network._operations
        digest.update(document.encode())
        for name, tensor in sorted(tensors.items()):
            digest.update(repr((name, tensor.shape, str(tensor.dtype))).encode())
            digest.update(tensor.tobytes())
        return digest.hexdigest()
    for weight, bias, activation in network.layers:
        digest.update(repr((weight.shape, activation)).encode())
        digest.update(weight.tobytes())
        digest.update(bias.tobytes())
    return digest.hexdigest()


class Recipe:
    """A network, a method and options: what a worker process needs to make its inverter."""

    def __init__(self, network: Network, method: str, options: dict[str, Any]) -> None:
        self.network, self.method, self.options = network, method, options
        self.token = (digest_of(network), method, repr(sorted(options.items())))

    def inverter(self, threads: int | None) -> Inverter:
        """The inverter of this process, made at the first call.

        Parameters
        ----------
        threads : int, optional
            Its number of threads, if the options do not set it.
        """
        options = {"threads": threads, **self.options}
        # An inverter that was made before a fork does not work in the child.
        key = (os.getpid(), options["threads"], self.token)
        with _lock:
            inverter = _opened.get(key)
            if inverter is None:
                method: Any = self.method
                inverter = _opened[key] = Inverter(self.network, method, **options)
            _opened.move_to_end(key)
            while len(_opened) > _KEPT:
                # It may be in use: it ends with its last user.
                _opened.popitem(last=False)
        return inverter
