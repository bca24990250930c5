"""The results of inversions, recoveries and projections."""

from __future__ import annotations

import json
import os
import sys
import warnings
from typing import Any

import numpy as np

from unrelu import _unrelu
from unrelu._arrays import Rows
from unrelu._errors import UnreluError, UnreluWarning
from unrelu._network import Network

_WORDS = ("status", "fit", "start", "refinement_region", "intervals")


class Result:
    """The codes of a batch of observations, and how good they are.

    Every array has one entry per observation, in the order of the observations.

    Attributes
    ----------
    codes : numpy.ndarray or torch.Tensor, shape (count, *code_shape)
        The codes, NaN where there is none. They have the kind and the device of the observations,
        and float32 for observations in float32 or float16, otherwise float64.
    status : numpy.ndarray of str
        ``"solved"`` or ``"converged"``: the answer has the guarantee of its method and explains the
        observation. ``"not-certified"`` or ``"not-converged"``: there is a code without it.
        ``"unexplained"``: the code does not explain the observation. ``"failed"``: no code.
    failure : numpy.ndarray of object
        Why there is no code, and what to do; empty where there is one.
    fit : numpy.ndarray of str
        ``"reproduced"``, ``"approximate"`` or ``"unexplained"``; empty where there is no code.
    determined : numpy.ndarray of bool
        Whether the data determine the code, as far as the method can tell.
    reproduces : numpy.ndarray of bool
        Whether the largest absolute residual is at most `epsilon`.
    residual : numpy.ndarray
        ``||G(z) - x||_2`` over the observed entries, in units of the observations.
    residual_linf, residual_l1, residual_rms, residual_l2_relative : numpy.ndarray
        The largest absolute entry, the sum of absolute entries, the root mean square, and the
        Euclidean norm divided by that of the observation.
    epsilon, tolerance : numpy.ndarray
        The tolerance of `reproduces`, and that of `fit`, per entry.
    out_of_range : numpy.ndarray of int
        Number of entries that the output of the network cannot reach.
    far_code : numpy.ndarray of bool
        Whether the code is far outside the law of the codes.
    saturated : numpy.ndarray of int
        Number of entries at an end of a sigmoid's or tanh's range.
    refined : numpy.ndarray of bool
        Whether refinement improved the code.
    refinement_before, refinement_after : numpy.ndarray
        ``||G(z) - x||`` in the norm of the refinement, before and after it. Only with
        ``refine="linf"`` or ``"l1"``.
    refinement_proven : numpy.ndarray of bool
        Whether the code is proven to be a local minimum of that norm. Only with these.
    refinement_region : numpy.ndarray of str
        A digest of the linear region of the code: the same for codes of the same region. Only with
        these.
    iterations : numpy.ndarray of int
        Iterations of descent. Only with such methods.
    loss_data, loss_prior : numpy.ndarray
        ``½||G(z) - x||²`` and ``½λ||z||²``. Only with a prior.
    intervals : numpy.ndarray of str
        Which entries of the code have an interval: ``"complete"`` (all), ``"partial"`` (the data do
        not determine the others), ``"undetermined"``, ``"empty"`` (noise of the named size explains
        no code there: it is too small) or ``"no-noise-size"``; empty for a failed or unexplained
        observation. Only with ``uncertainty=True``, as are the next ones.
    noise_size : numpy.ndarray
        The size of the noise that the intervals are for: given, or estimated from the residual.
    sd, lower, upper : numpy.ndarray, shape (count, k)
        Standard deviations, and the ends of the 90 % intervals. They are infinite for an entry
        without an interval, and NaN where there is no code.
    bound_lower, bound_upper : numpy.ndarray, shape (count, k)
        The least and the largest value of each entry over the codes of the linear region whose
        residuals are within the noise. Only for uniform noise of a named size.
    alternatives : numpy.ndarray of int
        Number of other minima within reach of the noise, at most 64. Only with `uncertainty` or
        `alternatives`.
    alternative_codes : numpy.ndarray, shape (count, N, k)
        The best distinct codes, the answer first, NaN where there are fewer than N. Only with
        `alternatives`.
    alternative_losses : numpy.ndarray, shape (count, N)
        Their losses: ``½||G(z) - x||²`` (with a prior, ``½λ||z||²`` more), or the norm of the
        objective.
    start, first_found, found, runs, stationary : numpy.ndarray
        How the search found the code. Only with method ``"best"``.
    layers : list of dict
        The programs of each layer, from the last to the first. Only with layer-wise methods.
    totals : dict
        The totals of the run, as the command line prints them with ``--json``.
    notes : list of str
        What was assumed, and which device was chosen.
    """

    codes: Any

    def __init__(
        self, found: dict[str, Any], rows: Rows, network: Network, images_like_x: bool
    ) -> None:
        self._network = network
        self._kind = rows.kind
        self._summary: str = found.pop("summary")
        self.totals: dict[str, Any] = json.loads(found.pop("totals"))
        self.notes: list[str] = found.pop("notes") + ([rows.note] if rows.note else [])
        for text in found.pop("warnings"):
            warnings.warn(text, UnreluWarning, stacklevel=_outside())
        # A copy: the user may change `codes`.
        self._codes = found.pop("codes")
        codes = self._codes.reshape(len(self._codes), *network.code_shape).copy()
        self.codes = rows.like(codes)
        self._image_shape = rows.shape[1:] if images_like_x else network.image_shape
        self._images: Any = None
        self.layers: list[dict[str, Any]] = found.pop("layers")
        others = found.pop("alternative_codes", None)
        self._columns = _as_arrays(found)
        for name, column in self._columns.items():
            setattr(self, name, column)
        if others is not None:
            self.alternative_codes = others.reshape(
                len(others), self._columns["alternative_losses"].shape[1], int(np.prod(network.code_shape))
            )

    @property
    def images(self) -> Any:
        """The images ``G(z)`` of the codes, (count, *image shape); computed at the first use."""
        if self._images is None:
            images = self._network._core.forward(self._codes)
            self._images = self._kind.like(images.reshape(len(images), *self._image_shape))
        return self._images

    @property
    def ok(self) -> np.ndarray:
        """Whether each answer is solved or converged, as an array of bool."""
        return np.isin(self._columns["status"], ("solved", "converged"))

    def to_pandas(self) -> Any:
        """The result as a ``pandas.DataFrame`` with one row per observation.

        The columns are those of the command line's report: the entries of the codes follow as
        ``code_0`` and so on, as do those of vectors such as `sd`.
        """
        try:
            import pandas
        except ImportError as error:
            raise UnreluError("to_pandas needs pandas: pip install pandas") from error
        columns = {}
        for name, column in self._columns.items():
            if column.ndim == 1:
                columns[name] = column
            else:
                columns.update({f"{name}_{entry}": part for entry, part in enumerate(column.T)})
        for layer in self.layers:
            for name, column in layer.items():
                if name != "layer":
                    columns[f"layer{layer['layer']}_{name}"] = column
        columns.update({f"code_{entry}": codes for entry, codes in enumerate(self._codes.T)})
        frame = pandas.DataFrame(columns)
        frame.index.name = "index"
        return frame

    def __len__(self) -> int:
        return len(self._codes)

    def __repr__(self) -> str:
        return self._summary.rstrip("\n")


class Projection:
    """Images of the generator near a batch of observations: the warm start of the next call.

    Attributes
    ----------
    images : numpy.ndarray or torch.Tensor, shape of the observations
        The images ``G(z)``: an array or a tensor like the observations, float32 for observations in
        float32 or float16, otherwise float64.
    codes : numpy.ndarray or torch.Tensor, shape (count, *code_shape)
        Their codes.
    status, failure : numpy.ndarray
        As in :class:`Result`.
    from_warm_start : numpy.ndarray of bool
        Whether the answer comes from the warm start alone.
    residual, residual_linf, residual_l1, residual_rms, residual_l2_relative : numpy.ndarray
        Norms of ``G(z) - x`` over the observed entries, as in :class:`Result`.
    """

    images: Any
    codes: Any
    status: np.ndarray
    from_warm_start: np.ndarray

    def __init__(self, found: dict[str, Any], rows: Rows, network: Network) -> None:
        codes, images = found.pop("codes"), found.pop("images")
        self._bases: _unrelu.BasesCore | None = found.pop("bases")
        self.codes = rows.like(codes.reshape(len(codes), *network.code_shape))
        self.images = rows.like(images.reshape(rows.shape))
        for name, column in _as_arrays(found).items():
            setattr(self, name, column)

    def __len__(self) -> int:
        return len(self.codes)

    def __getstate__(self) -> dict[str, Any]:
        # Bases are of this process: they only save time.
        return {**self.__dict__, "_bases": None}

    def __repr__(self) -> str:
        good = int(np.isin(self.status, ("solved", "converged")).sum())
        warm = int(self.from_warm_start.sum())
        return f"Projection of {len(self)} observations: {good} good, {warm} from the warm start"


def _outside() -> int:
    """The stack level of the caller outside this package, for :func:`warnings.warn`."""
    here, level, frame = os.path.dirname(__file__), 1, sys._getframe(1)
    while frame.f_back is not None and os.path.dirname(frame.f_code.co_filename) == here:
        frame, level = frame.f_back, level + 1
    return level


def _as_arrays(found: dict[str, Any]) -> dict[str, np.ndarray]:
    """The columns as arrays, with the Euclidean norm of the residual."""
    columns = {}
    for name, column in found.items():
        if name == "residual_linf":
            columns["residual"] = found["residual_rms"] * np.sqrt(found["observed"])
        if name == "observed":
            continue
        if name == "failure":
            column = np.array(column, dtype=object)
        elif name in _WORDS:
            column = np.array(column, dtype=str)
        columns[name] = column
    return columns
