"""Inversion of dask arrays: blocks in, blocks out, on any scheduler.

The result does not depend on the blocks, the workers or their number: it is bit for bit that of
:func:`unrelu.invert` on the whole array, for workers with one kind of processor.

>>> import dask.array, unrelu, unrelu.dask
>>> network = unrelu.Network.random([5, 20, 60], seed=1)
>>> x = network.forward(network.random_codes(6, seed=1))
>>> lazy = unrelu.dask.invert(network, dask.array.from_array(x, chunks=(2, 60)))
>>> lazy.codes
dask.array<getitem, shape=(6, 5), dtype=float64, chunksize=(2, 5), chunktype=numpy.ndarray>
>>> bool((lazy.codes.compute() == unrelu.invert(network, x).codes).all())
True
"""

from __future__ import annotations

import multiprocessing
import sys
from typing import Any, Literal

import numpy as np

from unrelu._engines import Inverter, Method, _batch_size
from unrelu._errors import InputError, InputTypeError, UnreluError
from unrelu._network import Network
from unrelu._per_process import Recipe, digest_of
from unrelu._records import record_dtype, records_of

try:
    import dask
    import dask.array
    from dask.base import normalize_token, tokenize
except ImportError as error:
    raise UnreluError('unrelu.dask needs dask: pip install "dask[array,distributed]"') from error

__all__ = ["LazyResult", "invert"]

normalize_token.register(Network, lambda network: ("unrelu.Network", digest_of(network)))


class LazyResult:
    """The columns of an inversion as lazy dask arrays, one entry per observation.

    All columns come from one computation. Compute several of them together, with
    ``dask.compute(lazy.codes, lazy.status)`` or :meth:`compute`: two separate calls invert twice.

    Attributes
    ----------
    codes : dask.array.Array, shape (count, *code_shape)
        The codes, as in :class:`unrelu.Result`.
    status, failure, fit, determined, reproduces, residual, residual_linf, residual_l1, \
residual_l2_relative, residual_rms, epsilon, tolerance, out_of_range, far_code, saturated, refined \
: dask.array.Array, shape (count,)
        As in :class:`unrelu.Result`.
    start, first_found, found, runs, stationary : dask.array.Array, shape (count,)
        Only with method ``"best"``.
    iterations : dask.array.Array, shape (count,)
        Only with method ``"descent"``.
    records : dask.array.Array, shape (count,)
        All columns as the fields of one structured array.
    """

    records: Any
    codes: Any

    def __init__(self, records: Any) -> None:
        self.records = records
        for name in self.columns:
            setattr(self, name, records[name])

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, `codes` first."""
        names: tuple[str, ...] = self.records.dtype.names
        return names

    def compute(self, **options: Any) -> dict[str, np.ndarray]:
        """Compute all columns at once, as arrays of NumPy by name.

        The options are those of ``dask.compute``.
        """
        records = self.records.compute(**options)
        return {name: np.ascontiguousarray(records[name]) for name in self.columns}

    def persist(self, **options: Any) -> LazyResult:
        """Start the computation, and keep the results in the memory of the workers.

        The options are those of ``dask.persist``.
        """
        return LazyResult(self.records.persist(**options))

    def __len__(self) -> int:
        return len(self.records)

    def __repr__(self) -> str:
        blocks = self.records.numblocks[0]
        return f"LazyResult of {len(self)} observations in {blocks} blocks: {', '.join(self.columns)}"


def invert(
    network: Network,
    x: Any,
    method: Method = "best",
    *,
    pixels: Literal["0..1", "-1..1", "0..255"] | None = None,
    batch: int | None = None,
    first_index: int = 0,
    **options: Any,
) -> LazyResult:
    """Invert the observations of a dask array, lazily.

    Each block is inverted by one task. A worker process opens the network once, with as many
    threads as the scheduler gives to the process: its ``nthreads`` with dask.distributed, one in a
    process of the scheduler ``"processes"``, otherwise all. The option `threads` sets another
    number.

    Parameters
    ----------
    network : Network
        The generator.
    x : dask.array.Array, shape (count, n) or (count, *image shape)
        The observations, NaN where unobserved. Blocks that are parts of observations are merged
        into whole ones.
    method, pixels, batch, first_index, **options
        As in :func:`unrelu.invert`.

    Returns
    -------
    LazyResult
        The columns of :class:`unrelu.Result` as dask arrays, with the blocks of `x`.

    Raises
    ------
    InputError, InputTypeError
        As in :func:`unrelu.invert`, before anything is computed.
    """
    single = _checked(network, x, method, pixels, batch, options)
    whole = x.rechunk({axis: -1 for axis in range(1, x.ndim)})
    recipe = Recipe(network, method, options)
    dtype = record_dtype(network, method, single, options)
    token = tokenize(whole.name, recipe.token, pixels, batch, first_index)
    records = whole.map_blocks(
        _block,
        # One node of the graph that all blocks share: the network is sent once to each worker.
        recipe=dask.delayed(recipe, name=f"unrelu-network-{token}", traverse=False),
        call={"pixels": pixels, "batch": batch},
        first_index=first_index,
        record=dtype,
        name=f"unrelu-invert-{token}",
        dtype=dtype,
        meta=np.empty((0,), dtype),
        drop_axis=list(range(1, x.ndim)),
    )
    return LazyResult(records)


def _checked(
    network: Any, x: Any, method: Any, pixels: Any, batch: int | None, options: dict[str, Any]
) -> bool:
    """Refuse now what a worker would refuse later. Returns whether codes are float32."""
    if not isinstance(x, dask.array.Array):
        fix = "pass dask.array.from_array(x, chunks=(1024, -1)), or use unrelu.invert"
        raise InputTypeError("x", f"a {type(x).__name__}", "a dask.array.Array", fix)
    if any(np.isnan(size) for size in x.shape):
        raise InputError(
            "x",
            "blocks of unknown length",
            "known lengths: random starts depend on the index of an observation",
            "call x.compute_chunk_sizes() first",
        )
    # The devices of the workers may be others than those of this process.
    here = {name: value for name, value in options.items() if name not in ("device", "adapter", "backend")}
    with Inverter(network, method, **{**here, "device": "cpu", "threads": 1}) as inverter:
        _batch_size(batch, 256)
        stand_in = np.broadcast_to(np.zeros((), x.dtype), x.shape)
        return inverter._image_rows(stand_in, pixels).single


def _threads() -> int | None:
    """The number of threads that this process may use; None for all."""
    if "distributed" in sys.modules:
        from distributed import get_worker

        try:
            threads: int = get_worker().state.nthreads
            return threads
        except ValueError:
            pass  # This is not a task of dask.distributed.
    return 1 if multiprocessing.parent_process() is not None else None


def _block(
    x: np.ndarray,
    recipe: Recipe,
    call: dict[str, Any],
    first_index: int,
    record: np.dtype,
    block_info: Any = None,
) -> np.ndarray:
    """The records of one block. `block_info` has the place of the block in the whole array."""
    row = int(block_info[0]["array-location"][0][0])
    result = recipe.inverter(_threads()).invert(x, first_index=first_index + row, **call)
    return records_of(result, record)
