"""Results as records: one structured element per observation, of a dtype known in advance."""

from __future__ import annotations

from typing import Any

import numpy as np

from unrelu._network import Network
from unrelu._result import Result

_WORD = np.dtype("U16")
_COLUMNS: dict[str, np.dtype] = {
    "status": _WORD,
    "failure": np.dtype(object),
    "fit": _WORD,
    "determined": np.dtype(bool),
    "reproduces": np.dtype(bool),
    "residual": np.dtype(np.float64),
    "residual_linf": np.dtype(np.float64),
    "residual_l1": np.dtype(np.float64),
    "residual_l2_relative": np.dtype(np.float64),
    "residual_rms": np.dtype(np.float64),
    "epsilon": np.dtype(np.float64),
    "tolerance": np.dtype(np.float64),
    "out_of_range": np.dtype(np.uint64),
    "far_code": np.dtype(bool),
    "saturated": np.dtype(np.uint64),
    "refined": np.dtype(bool),
}
_OF_METHOD: dict[str, dict[str, np.dtype]] = {
    "best": {
        "start": _WORD,
        "first_found": np.dtype(np.uint64),
        "found": np.dtype(np.uint64),
        "runs": np.dtype(np.uint64),
        "stationary": np.dtype(bool),
    },
    "descent": {"iterations": np.dtype(np.uint64)},
}


def _of_options(network: Network, method: str, options: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The columns of the uncertainty and of other minima, if these were asked for."""
    number, code = np.dtype(np.float64), (int(np.prod(network.code_shape)),)
    uncertain, listed = options.get("uncertainty"), options.get("alternatives") or 0
    columns: list[tuple[Any, ...]] = []
    if uncertain:
        noise = options.get("noise")
        norms = (options.get("objective"), options.get("refine"))
        names = ["sd", "lower", "upper"]
        if isinstance(noise, str) and noise[:1].isalpha():
            has_bounds = noise.startswith("uniform:")
        else:
            has_bounds = noise is not None and "linf" in norms
        names += ["bound_lower", "bound_upper"] if has_bounds else []
        columns += [("intervals", _WORD), ("noise_size", number), *((name, number, code) for name in names)]
    if method == "best" and (uncertain or listed):
        columns.append(("alternatives", np.dtype(np.uint64)))
    if listed:
        columns.append(("alternative_codes", number, (listed, *code)))
        columns.append(("alternative_losses", number, (listed,)))
    return columns


def record_dtype(
    network: Network, method: str, single: bool, options: dict[str, Any] | None = None
) -> np.dtype:
    """The dtype of one record: the field `codes`, and one field per column of the result.

    Parameters
    ----------
    single : bool
        Whether codes are float32.
    options : dict, optional
        The options of the inversion.
    """
    number = np.dtype(np.float32 if single else np.float64)
    columns = {**_COLUMNS, **_OF_METHOD.get(method, {})}
    more = _of_options(network, method, options or {})
    return np.dtype([("codes", number, network.code_shape), *columns.items(), *more])


def records_of(result: Result, dtype: np.dtype) -> np.ndarray:
    """The records of a result, shape (count,).

    A batch in which every observation failed lacks the columns of its method: they are 0, False or
    empty, and vectors of numbers are NaN.
    """
    records = np.zeros(len(result), dtype)
    records["codes"] = result.codes
    for name in (dtype.names or ())[1:]:
        column = getattr(result, name, None)
        if column is not None:
            # Words are checked: a longer one would be cut without an error.
            records[name] = column.astype(dtype[name].base, casting="safe")
        elif dtype[name].shape:
            records[name] = np.nan
    return records
