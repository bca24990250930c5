"""The extension module. It is private: its names may change in any version."""

from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BasesCore",
    "InverterCore",
    "NetworkCore",
    "ProjectorCore",
    "RecovererCore",
    "__version__",
    "finish",
    "gaussian_operator",
    "run_command",
]

__version__: str

_Array = NDArray[np.float64]
_FloatArray = NDArray[np.float32] | NDArray[np.float64]
_Singles = NDArray[np.float32]
_Rows = Callable[[int, int], _Array]
_Progress = Callable[[int], Any]

@final
class NetworkCore:
    @staticmethod
    def from_layers(layers: Sequence[tuple[_Array, _Array, str]]) -> NetworkCore: ...
    @staticmethod
    def from_operations(document: str, tensors: dict[str, _FloatArray]) -> NetworkCore: ...
    @staticmethod
    def from_file(
        path: str,
        layers: list[str] | None,
        activation: str | None,
        output_activation: str | None,
        batch_norm_epsilon: float | None,
        ignore_tensors: list[str],
        architecture: str | None = None,
    ) -> NetworkCore: ...
    @staticmethod
    def random(sizes: list[int], activation: str, seed: int) -> NetworkCore: ...
    @property
    def notes(self) -> list[str]: ...
    @property
    def code_shape(self) -> list[int]: ...
    @property
    def image_shape(self) -> list[int]: ...
    def random_codes(self, count: int, seed: int) -> _Array: ...
    def save(self, path: str, force: bool) -> None: ...
    def forward(self, codes: _Array) -> _Array: ...
    def forward_f32(self, codes: _Singles) -> _Singles: ...
    def gradients(
        self, observations: _Array, codes: _Array, in_f32: bool
    ) -> tuple[_Array, _Array]: ...
    def operations(self) -> tuple[str, dict[str, _Array]] | None: ...
    def beyond_dense_relu(self) -> str | None: ...
    def layers(self) -> list[tuple[_Array, _Array, str]]: ...
    def shapes(self) -> list[tuple[int, int, str]]: ...

@final
class InverterCore:
    def __new__(cls, network: NetworkCore, options: dict[str, Any]) -> InverterCore: ...
    def invert(
        self,
        rows: _Rows,
        count: int,
        batch: int,
        first_index: int,
        progress: _Progress | None,
    ) -> dict[str, Any]: ...

@final
class RecovererCore:
    def __new__(
        cls, network: NetworkCore, operator: Any, options: dict[str, Any]
    ) -> RecovererCore: ...
    def recover(
        self,
        rows: _Rows,
        count: int,
        batch: int,
        first_index: int,
        progress: _Progress | None,
    ) -> dict[str, Any]: ...

@final
class BasesCore: ...

@final
class ProjectorCore:
    def __new__(cls, network: NetworkCore, options: dict[str, Any]) -> ProjectorCore: ...
    def project(
        self,
        rows: _Rows,
        count: int,
        batch: int,
        warm_start: _Array | None,
        bases: BasesCore | None,
    ) -> dict[str, Any]: ...

def gaussian_operator(measurements: int, pixels: int, seed: int) -> _Array:
    """The matrix of the command line's ``--gaussian``, shape (measurements, pixels)."""

def finish() -> None: ...
def run_command(arguments: list[str]) -> int: ...
