"""Inverters, recoverers and projectors, and the functions that make one for a single call."""

from __future__ import annotations

import difflib
import inspect
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from unrelu import _unrelu
from unrelu._arrays import Rows, code_rows, integer
from unrelu._errors import InputError, InputTypeError, UnreluError
from unrelu._network import Network, _shape
from unrelu._operators import read_operator
from unrelu._result import Projection, Result

if TYPE_CHECKING:
    from typing_extensions import Self

Method = Literal["best", "linf", "l1", "relaxed", "exact", "descent"]


class _Engine:
    """What inverters, recoverers and projectors share: options, cores and the end of their life."""

    _what = "the engine"

    def __init__(self, network: Network, options: dict[str, Any]) -> None:
        if not isinstance(network, Network):
            raise InputTypeError(
                "network",
                f"a {type(network).__name__}",
                "an unrelu.Network",
                "make one with Network.from_torch, from_file or from_arrays",
            )
        self.network = network
        self._options = {name: value for name, value in options.items() if value is not None}
        self._cores: dict[tuple[str, bool], Any] | None = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """End the threads and close the device. Later calls raise :class:`InputError`.

        Calls that run on other threads are finished.
        """
        with self._lock:
            self._cores = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _core(self, stored_as: str, single: bool) -> Any:
        """The core for observations of this type; made at the first use."""
        key = (stored_as, single)
        with self._lock:
            if self._cores is None:
                raise InputError(
                    self._what, "one that is closed", "an open one", "make another, or close it later"
                )
            core = self._cores.get(key)
            if core is None:
                options = {**self._options, "stored_as": stored_as, "single": single}
                core = self._cores[key] = self._made(options)
            return core

    def _made(self, options: dict[str, Any]) -> Any:
        raise NotImplementedError

    def _symmetric_pixels(self) -> bool:
        return self.network._activation == "tanh"

    def _image_rows(self, x: Any, pixels: str | None = None) -> Rows:
        """Observations that are images of the network."""
        return self.network._image_rows(x, pixels)


def _batch_size(batch: int | None, default: int) -> int:
    return default if batch is None else integer("option `batch`", batch, 1, 2**53)


def _progress_bar(progress: bool, count: int, what: str) -> AbstractContextManager[Any]:
    """tqdm's bar for terminals and notebooks, or nothing."""
    if not progress:
        return nullcontext()
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        raise UnreluError("progress=True needs tqdm: pip install tqdm") from error
    bar: AbstractContextManager[Any] = tqdm(total=count, desc=what, unit="observation")
    return bar


def _run(
    call: Any, rows: Rows, batch: int, first_index: int, progress: bool, what: str
) -> dict[str, Any]:
    if rows.mask is not None and rows.mask.ndim == 2 and len(rows.mask) != rows.count:
        raise InputError(
            "the mask",
            f"masks for {len(rows.mask)} images",
            f"{rows.count}, one for each observation",
            "pass one mask, or one for each observation",
        )
    first_index = integer("option `first_index`", first_index, 0, 2**64 - 1 - rows.count)
    with _progress_bar(progress, rows.count, what) as bar:
        done = None if bar is None else (lambda count: bar.update(count - bar.n))
        found: dict[str, Any] = call(rows.given, rows.count, batch, first_index, done)
    return found


class Inverter(_Engine):
    """A network prepared for the inversion of batches.

    It is made once and can be used from any number of threads. The arguments are those of
    :func:`invert`.
    """

    _what = "the inverter"

    def __init__(
        self,
        network: Network,
        method: Method = "best",
        *,
        epsilon: float | None = None,
        noise: float | str | None = None,
        prior: float | None = None,
        uncertainty: bool | None = None,
        alternatives: int | None = None,
        seed: int | None = None,
        starts: int | None = None,
        miss_rate: float | Literal["none"] | None = None,
        objective: Literal["l2", "l1", "linf"] | None = None,
        growth: float | None = None,
        refine: bool | str | None = None,
        rows: Literal["corrected", "printed", "inactive"] | None = None,
        stop: Literal["lowest", "first"] | None = None,
        passes: int | None = None,
        row_tolerances: Literal["equal", "proportional"] | None = None,
        hidden_epsilon: Literal["restart", "carried", "enlarged"] | None = None,
        relaxed_weights: Literal["positive", "clear"] | None = None,
        hidden_sign: Literal["nonnegative", "free"] | None = None,
        solver: Literal["interior-point", "clarabel"] | None = None,
        optimizer: Literal["plain", "momentum", "adam"] | None = None,
        step: float | None = None,
        iterations: int | None = None,
        restarts: int | None = None,
        code_law: str | None = None,
        device: Literal["auto", "cpu", "gpu"] | None = None,
        adapter: str | None = None,
        backend: Literal["vulkan", "dx12", "metal"] | None = None,
        threads: int | None = None,
    ) -> None:
        given = {name: value for name, value in locals().items() if name not in _NOT_OPTIONS}
        super().__init__(network, given)
        # Errors in the options are said here, not at the first call.
        self._core("float64", False)

    def _made(self, options: dict[str, Any]) -> _unrelu.InverterCore:
        return _unrelu.InverterCore(self.network._core, options)

    def invert(
        self,
        x: Any,
        *,
        pixels: Literal["0..1", "-1..1", "0..255"] | None = None,
        batch: int | None = None,
        first_index: int = 0,
        progress: bool = False,
    ) -> Result:
        """Invert observations; the arguments and the result are those of :func:`invert`."""
        rows = self._image_rows(x, pixels)
        core = self._core(rows.stored_as, rows.single)
        size = _batch_size(batch, 256)
        found = _run(core.invert, rows, size, first_index, progress, "inverting")
        return Result(found, rows, self.network, images_like_x=True)

    def __reduce__(self) -> tuple[Any, ...]:
        return _remade, (Inverter, (self.network,), self._options)


class Recoverer(_Engine):
    """A network and an operator, prepared for the recovery of codes from measurements.

    It is made once and can be used from any number of threads. The arguments are those of
    :func:`recover`.
    """

    _what = "the recoverer"

    def __init__(
        self,
        network: Network,
        operator: Any = None,
        method: Method | None = None,
        *,
        inner: Method | None = None,
        image_shape: Sequence[int] | None = None,
        epsilon: float | None = None,
        noise: float | str | None = None,
        prior: float | None = None,
        uncertainty: bool | None = None,
        alternatives: int | None = None,
        seed: int | None = None,
        starts: int | None = None,
        growth: float | None = None,
        refine: bool | str | None = None,
        step: float | None = None,
        momentum: float | None = None,
        iterations: int | None = None,
        inner_iterations: int | None = None,
        restarts: int | None = None,
        code_law: str | None = None,
        device: Literal["auto", "cpu", "gpu"] | None = None,
        adapter: str | None = None,
        backend: Literal["vulkan", "dx12", "metal"] | None = None,
        threads: int | None = None,
    ) -> None:
        given = {name: value for name, value in locals().items() if name not in _NOT_OPTIONS}
        super().__init__(network, given)
        self._given_operator, self._given_shape = operator, image_shape
        if image_shape is None:
            self._image_shape = network.image_shape
        else:
            self._image_shape = _shape(image_shape, network.image_shape, "image_shape")
        self.operator = read_operator(operator, self._image_shape)
        self._core("float64", False)

    def _made(self, options: dict[str, Any]) -> _unrelu.RecovererCore:
        return _unrelu.RecovererCore(self.network._core, self.operator.core, options)

    def recover(
        self,
        y: Any,
        *,
        pixels: Literal["0..1", "-1..1", "0..255"] | None = None,
        batch: int | None = None,
        first_index: int = 0,
        progress: bool = False,
    ) -> Result:
        """Recover codes; the arguments and the result are those of :func:`recover`."""
        rows = Rows(
            y,
            self.operator.measurements,
            "y",
            "one entry per measurement of the operator",
            self._symmetric_pixels(),
            pixels,
            self.operator.mask,
            self._image_shape if self.operator.core is None else None,
        )
        core = self._core(rows.stored_as, rows.single)
        size = _batch_size(batch, 64)
        found = _run(core.recover, rows, size, first_index, progress, "recovering")
        return Result(found, rows, self.network, images_like_x=False)

    def __reduce__(self) -> tuple[Any, ...]:
        options = {**self._options, "image_shape": self._given_shape}
        return _remade, (Recoverer, (self.network, self._given_operator), options)


class Projector(_Engine):
    """A network prepared for repeated projections onto its range.

    With ``refine=True`` or the methods ``"best"`` and ``"descent"``, a projection is a local
    minimum of the Euclidean distance, or close to one. The options are those of :func:`invert`.

    Examples
    --------
    >>> import unrelu
    >>> network = unrelu.Network.random([5, 20, 60], seed=1)
    >>> images = network.forward(network.random_codes(4, seed=1))
    >>> projector = unrelu.Projector(network)
    >>> first = projector.project(0.9 * images)
    >>> second = projector.project(images, warm_start=first)
    >>> bool(abs(second.images - images).max() < 1e-6)
    True
    """

    _what = "the projector"

    def __init__(self, network: Network, method: Method = "best", **options: Any) -> None:
        super().__init__(network, {"method": method, **options})
        self._core("float64", False)

    def _made(self, options: dict[str, Any]) -> _unrelu.ProjectorCore:
        return _unrelu.ProjectorCore(self.network._core, options)

    def project(self, x: Any, warm_start: Any = None, *, batch: int | None = None) -> Projection:
        """Project each observation onto the range of the generator.

        Parameters
        ----------
        x : array_like or torch.Tensor, shape (count, n) or (count, *image shape)
            The observations, NaN where unobserved.
        warm_start : Projection, or array_like or torch.Tensor of shape (count, k), optional
            The projection of the last call, or codes to start from. A code that is not finite counts
            as none. With a projection, the linear programs of ``"linf"``, ``"l1"`` and ``"relaxed"``
            also start where those of the last call ended, which saves time and changes no answer
            (up to rounding, where the optima are unique). A projection that was pickled has its
            codes only.
        batch : int, optional
            Observations per batch. Default 1024. It changes no result.

        Raises
        ------
        InputError, InputTypeError
            For arrays that do not fit, and for a projection of another number of observations or
            onto the range of a network with other layers.
        """
        rows = self._image_rows(x)
        warm, bases = None, None
        if isinstance(warm_start, Projection):
            warm_start, bases = warm_start.codes, warm_start._bases
        if warm_start is not None:
            codes = code_rows(warm_start, self.network.code_shape, "warm_start")
            if codes.count != rows.count:
                raise InputError(
                    "warm_start",
                    f"{codes.count} codes",
                    f"{rows.count}, one for each observation",
                    "pass the codes of the last call, or no warm start",
                )
            warm = codes(0, codes.count)
        core = self._core(rows.stored_as, rows.single)
        found = core.project(rows, rows.count, _batch_size(batch, 1024), warm, bases)
        return Projection(found, rows, self.network)

    def __reduce__(self) -> tuple[Any, ...]:
        return _remade, (Projector, (self.network,), self._options)


def _check_names(engine: type, options: dict[str, Any]) -> None:
    """Refuse options that do not exist, and name the nearest that does."""
    known = [name for name in inspect.signature(engine).parameters if name not in _ARGUMENTS]
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            fix = f"did you mean `{near[0]}`?" if near else "leave it out"
            raise InputTypeError(f"option `{name}`", "an unknown name", "one of " + ", ".join(known), fix)


_ARGUMENTS = ("network", "operator", "method")
_NOT_OPTIONS = ("self", "network", "operator", "image_shape", "__class__")


def _remade(engine: type, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """The engine of a pickle."""
    return engine(*arguments, **options)


def invert(
    network: Network,
    x: Any,
    method: Method = "best",
    *,
    pixels: Literal["0..1", "-1..1", "0..255"] | None = None,
    batch: int | None = None,
    first_index: int = 0,
    progress: bool = False,
    **options: Any,
) -> Result:
    """Find the codes ``z`` of observations ``x = G(z) + noise``.

    Parameters
    ----------
    network : Network
        The generator.
    x : array_like or torch.Tensor, shape (count, n) or (count, *image shape)
        The observations, NaN where unobserved. Bytes (uint8) are pixels; see `pixels`.
    method : str
        ``"best"``: the lowest squared error found from many starts. ``"linf"``, ``"l1"`` or
        ``"relaxed"``: layer by layer, by linear programs; ``"exact"``: the same, for observations
        without noise. ``"descent"``: gradient descent, the baseline.
    pixels : str, optional
        The range that bytes stand for: ``"0..1"``, ``"-1..1"`` or ``"0..255"``. By default
        ``"-1..1"`` if the network ends in tanh, otherwise ``"0..1"``.
    batch : int, optional
        Observations per batch; at most seven batches are copied at a time, and for ``"descent"``
        on a graphics card three groups of them, of up to 8,192 runs each. Default 256. It changes
        no result.
    first_index : int
        The index of the first observation in a larger set. Random starts depend on the index, so
        parts of a set have the answers of the whole.
    progress : bool
        Show a bar of tqdm.
    epsilon : float, optional
        The tolerance of a reproduced observation, in units of the observations, and the initial
        tolerance of the layer-wise methods. Default: 1e-6 of the largest absolute entry of each
        observation, and not less than the rounding of its numbers.
    noise : float or str, optional
        The noise in each entry: its size, its law, or both, such as ``"uniform:0.01"``. Answers are
        judged by it. The law chooses what ``"best"`` and ``refine=True`` minimise, unless `objective`
        says it: ``"uniform"`` (the size is a bound) the largest error, ``"gaussian"`` (a standard
        deviation) the squared error, ``"laplace"`` (a mean absolute value) the sum of errors, and
        ``"gross"`` the sum, too: a few entries are wrong by any amount, and the others by the size.
        The size of a named law is also the initial tolerance of the layer-wise methods, unless
        `epsilon` is given. Default: the size `epsilon`, and no law.
    prior : float, optional
        ``λ`` of a normal prior of the codes: ``½λ‖z‖²`` is added to the loss ``½‖G(z) − x‖²``. For
        noise of standard deviation ``σ`` and codes of standard deviation ``τ``, ``λ = σ²/τ²``. For
        ``"best"`` with the objective ``"l2"``, ``"descent"``, and `refine`. Default 0.
    uncertainty : bool, optional
        Add a standard deviation and a 90 % interval of each entry of a code: `sd`, `lower` and
        `upper` of the result. They are for noise of the law and size of `noise`; by default for the
        law whose norm is minimised (normal for ``"l2"``), and the size that the residual tells. For
        ``"best"`` and with `refine`. For uniform noise of a named size also `bound_lower` and
        `bound_upper`. ``"best"`` then counts the other minima within reach of the noise. Default
        False.
    alternatives : int, optional
        For ``"best"``: the number of distinct codes to return per observation, the answer first, as
        `alternative_codes` of the result. They are minima within reach of the noise. Default 0.
    seed : int, optional
        The seed of random starts, for ``"best"`` and ``"descent"``. Default 0.
    starts : int, optional
        For ``"best"``: the maximum number of starts per observation. Default 1000.
    miss_rate : float or str, optional
        For ``"best"`` with a `noise` of a named size: the share of the lowest minima that may be
        missed, such as 0.01. How many runs this takes is measured before the first batch, on
        outputs of the network with such noise. On networks where every start leads to the same
        minimum, two are enough. ``"none"`` is the usual search, of at least 48 runs. Default: 0.01
        for squares with a named size of the noise, without `uncertainty` and `alternatives`.
    objective : str, optional
        For ``"best"``: ``"l2"`` (default, unless `noise` names a law), ``"l1"`` for a few gross
        errors, or ``"linf"``. The last two need piecewise linear hidden layers with matrices.
    growth : float, optional
        The factor by which the tolerance of a layer-wise method grows. Default 1.2.
    refine : bool or str, optional
        Refine the codes of other methods than ``"best"`` to a local minimum of all layers together:
        of the squared error (``True`` or ``"l2"``), the largest error (``"linf"``) or the sum of
        errors (``"l1"``). ``True`` stands for the norm of the law of `noise`, if one is named.
    rows, stop, solver : str, optional
        Of the layer-wise methods, as on the command line.
    passes : int, optional
        Of the layer-wise methods: the maximum number of passes over the layers. In each further
        pass, hidden units that the last code turns off are fixed at 0; its code is kept if its error
        is lower. Default 1.
    row_tolerances : str, optional
        Of the layer-wise methods: how much each row of a hidden layer may be violated. ``"equal"``
        (default), or ``"proportional"`` to how far its target may be off.
    hidden_epsilon : str, optional
        Of the layer-wise methods: the initial tolerance of the hidden layers. ``"restart"``
        (default), ``"carried"`` from the layer after, or ``"enlarged"`` by how far the entries of the
        target may be off.
    relaxed_weights : str, optional
        Of ``"relaxed"``: the entries with a weight in its objective. ``"positive"`` (default), or
        ``"clear"``, above twice the tolerance.
    hidden_sign : str, optional
        Of the layer-wise methods: what a layer may receive from a ReLU. ``"nonnegative"`` (default),
        or ``"free"``, as in the paper's printed algorithms.
    optimizer, step, iterations, restarts : optional
        Of ``"descent"``, as on the command line.
    code_law : str, optional
        The law of the codes that the generator was trained with: ``"normal"`` (default),
        ``"uniform"``, ``"normal:SIZE"`` or ``"uniform:SIZE"``.
    device : str, optional
        ``"auto"`` (default: for ``"best"`` and ``"descent"`` a GPU if there is one, otherwise the
        CPU), ``"cpu"`` or ``"gpu"``.
    adapter : str, optional
        A part of the name of the GPU to use.
    backend : str, optional
        The graphics API of the GPU, where there are several: ``"vulkan"``, ``"dx12"`` or ``"metal"``.
    threads : int, optional
        Number of threads. Default: the processors that this process may use.

    Returns
    -------
    Result
        The codes, and how good they are.

    Raises
    ------
    InputError
        A ``ValueError``: an array of a wrong shape, or an option that is wrong or has no effect.
    InputTypeError
        A ``TypeError``: an array or an option of a wrong type.
    DeviceError
        If the requested device does not exist.
    KeyboardInterrupt
        After Ctrl-C, within a second.

    Examples
    --------
    >>> import unrelu
    >>> network = unrelu.Network.random([5, 20, 60], seed=1)
    >>> codes = network.random_codes(3, seed=1)
    >>> result = unrelu.invert(network, network.forward(codes))
    >>> bool(abs(result.codes - codes).max() < 1e-9)
    True
    >>> print(*result.status)
    converged converged converged
    """
    _check_names(Inverter, options)
    with Inverter(network, method, **options) as inverter:
        return inverter.invert(
            x, pixels=pixels, batch=batch, first_index=first_index, progress=progress
        )


def recover(
    network: Network,
    y: Any,
    operator: Any = None,
    method: Method | None = None,
    *,
    pixels: Literal["0..1", "-1..1", "0..255"] | None = None,
    batch: int | None = None,
    first_index: int = 0,
    progress: bool = False,
    **options: Any,
) -> Result:
    """Find the codes ``z`` of linear measurements ``y = A G(z) + noise``.

    Parameters
    ----------
    network : Network
        The generator.
    y : array_like or torch.Tensor, shape (count, m) or (count, *shape)
        The measurements, NaN where not measured.
    operator : optional
        ``A``. One of:

        - None: pixels, NaN where not measured.
        - A mask of booleans, of the shape of an image or of the images: True where measured.
        - A matrix, shape (m, n), as an array, a tensor or a matrix of ``scipy.sparse``.
        - A ``scipy.sparse.linalg.LinearOperator``, or a pair of functions ``(apply, adjoint)`` on
          batches, (count, n) to (count, m) and back. They must be linear, and each other's
          adjoint; random images test it.
        - A linear physics of deepinv, without its noise. Its images have the shape `image_shape`.

        Functions are applied to batches. Only ``method="descent"`` without `inner` forms their
        matrix, if the network does not end in an affine layer. They are called from several
        threads at the same time, unless `threads` is 1 on the CPU.
    method : str, optional
        Minimise ``||A G(z) - y||`` directly: ``"best"`` (default) from many starts, or
        ``"descent"``. For pixels also the layer-wise methods.
    inner : str, optional
        Use projected gradient descent instead, with this method as the projection.
    image_shape : sequence of int, optional
        The shape of an image for the operator. By default, that of the network.
    step, momentum, iterations, restarts, inner_iterations : optional
        Of projected gradient descent and of ``"descent"``, as on the command line.
    pixels, batch, first_index, progress, epsilon, noise, prior, uncertainty, alternatives, seed, \
starts, growth, refine, code_law, device, adapter, backend, threads : optional
        As in :func:`invert`. The default of `batch` is 64.

    Returns
    -------
    Result
        The codes, and how good they are. `images` are ``G(z)``.

    Raises
    ------
    InputError, InputTypeError, DeviceError, KeyboardInterrupt
        As in :func:`invert`. What an operator raises is raised.

    Examples
    --------
    >>> import numpy, unrelu
    >>> network = unrelu.Network.random([4, 20, 60], seed=1)
    >>> codes = network.random_codes(3, seed=1)
    >>> A = numpy.random.default_rng(1).standard_normal((30, 60))
    >>> result = unrelu.recover(network, network.forward(codes) @ A.T, A)
    >>> bool(abs(result.codes - codes).max() < 1e-6)
    True
    """
    _check_names(Recoverer, options)
    with Recoverer(network, operator, method, **options) as recoverer:
        return recoverer.recover(
            y, pixels=pixels, batch=batch, first_index=first_index, progress=progress
        )
