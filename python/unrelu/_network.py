"""Networks: where they come from, and what they compute."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from unrelu import _unrelu
from unrelu._arrays import Rows, code_rows, integer, is_tensor, plain, tensor_numbers
from unrelu._errors import InputError, InputTypeError


def _is_single(precision: str) -> bool:
    """Whether `precision` names f32."""
    if precision not in ("float64", "float32"):
        raise InputError(
            "option `precision`", repr(precision), "'float64' or 'float32'", "name one of these"
        )
    return precision == "float32"


class Network:
    """A generator ``G(z) = act_d(W_d ... act_1(W_1 z + b_1) ... + b_d)``.

    A network is made by :meth:`from_torch`, :meth:`from_file`, :meth:`from_arrays` or
    :meth:`random`. In a dense network, hidden layers have the activation ReLU or LeakyReLU; the
    output layer may also have identity, sigmoid or tanh. :meth:`from_torch` also reads chains of
    other maps, such as convolutions, and of other activations.

    Attributes
    ----------
    code_length : int
        ``k``, the number of entries of a code.
    image_length : int
        ``n``, the number of entries of an image.
    code_shape, image_shape : tuple of int
        The shapes of one code and of one image, such as ``(1, 28, 28)`` behind a convolution;
        ``(k,)`` and ``(n,)`` if nothing else is known.
    notes : list of str
        What the source of the network does not say, and how it was read.

    Examples
    --------
    >>> import unrelu
    >>> network = unrelu.Network.random([5, 20, 60], seed=1)
    >>> network
    Network(5 -> 60)
      1: 20 x 5, relu
      2: 60 x 20, relu
    >>> network.forward(network.random_codes(3, seed=1)).shape
    (3, 60)
    """

    def __init__(
        self,
        core: _unrelu.NetworkCore,
        code_shape: Sequence[int] | None = None,
        image_shape: Sequence[int] | None = None,
    ) -> None:
        if not isinstance(core, _unrelu.NetworkCore):
            raise InputTypeError(
                "Network",
                f"a call with a {type(core).__name__}",
                "one of its class methods",
                "use Network.from_torch, from_file, from_arrays or random",
            )
        self._core = core
        shapes = core.shapes()
        self.code_length: int = shapes[0][1]
        self.image_length: int = shapes[-1][0]
        self.code_shape = _shape(code_shape, core.code_shape, "code_shape")
        self.image_shape = _shape(image_shape, core.image_shape, "image_shape")
        self._activation: str = shapes[-1][2]
        #: What the source of the network does not say, and how it was read.
        self.notes: list[str] = core.notes
        # What a pickle keeps of a network that dense layers cannot express.
        self._listed: tuple[str, dict[str, np.ndarray]] | None = None

    @classmethod
    def from_file(
        cls,
        path: str | os.PathLike[str],
        *,
        architecture: str | os.PathLike[str] | None = None,
        layers: Sequence[str] | None = None,
        activation: str | None = None,
        output_activation: str | None = None,
        batch_norm_epsilon: float | None = None,
        ignore_tensors: Sequence[str] = (),
        code_shape: Sequence[int] | None = None,
        image_shape: Sequence[int] | None = None,
    ) -> Network:
        """Read a network from a ``.safetensors``, ``.npz``, ``.onnx``, ``.pth`` or ``.pt`` file.

        An ONNX model says its layers and activations, so it needs no option; the page
        ``docs/ONNX.md`` says what is read.

        Parameters
        ----------
        path : path-like
            The file.
        architecture : path-like, optional
            A JSON file with the operations of the network, in torch's own words, such as
            convolutions; `path` then only holds the tensors that it names. The page
            ``docs/OPERATIONS.md`` lists the fields. Options on layers and activations are refused
            beside it. By default, what the file itself lists, as one of :meth:`save` may.
        layers : sequence of str, optional
            The names of the layers, from the code to the output. By default, all layers of the
            file, if their order is unambiguous.
        activation, output_activation : str, optional
            ``"relu"``, ``"leaky_relu:0.1"``, ``"identity"``, ``"sigmoid"`` or ``"tanh"``. By
            default, what the file says.
        batch_norm_epsilon : float, optional
            The eps of BatchNorm, which a ``state_dict`` does not hold. Default 1e-5.
        ignore_tensors : sequence of str
            Tensors or modules that are no part of the generator.
        code_shape, image_shape : sequence of int, optional
            The shapes of one code and one image. By default, those of the file where it describes
            its operations, such as ``(1, 28, 28)`` behind a convolution; otherwise ``(k,)`` and
            ``(n,)``.

        Raises
        ------
        InputError
            If the file does not say how its layers act; the message names the fix.
        OSError
            If the file cannot be read.
        """
        core = _unrelu.NetworkCore.from_file(
            os.fspath(path),
            None if layers is None else list(layers),
            activation,
            output_activation,
            batch_norm_epsilon,
            list(ignore_tensors),
            architecture=None if architecture is None else os.fspath(architecture),
        )
        return cls(core, code_shape, image_shape)

    @classmethod
    def from_arrays(
        cls,
        layers: Iterable[tuple[Any, ...]],
        *,
        activation: str | None = None,
        output_activation: str | None = None,
        code_shape: Sequence[int] | None = None,
        image_shape: Sequence[int] | None = None,
    ) -> Network:
        """Make a network from the arrays of its layers.

        Parameters
        ----------
        layers : iterable of (W, b) or (W, b, activation)
            The layers, from the code to the output. ``W`` has the shape (units, inputs), as in
            ``torch.nn.Linear``; ``b`` has the shape (units,), or is None for zeros.
        activation : str, optional
            The activation of layers that do not name their own, also of the last one. Default
            ``"relu"``; `notes` says so.
        output_activation : str, optional
            That of the last layer. By default, `activation`.
        code_shape, image_shape : sequence of int, optional
            The shapes of one code and one image. Default ``(k,)`` and ``(n,)``.

        Raises
        ------
        InputError, InputTypeError
            If layers do not fit together, or a number is not finite.

        Examples
        --------
        >>> import numpy, unrelu
        >>> W = numpy.array([[1.0], [-1.0], [2.0]])
        >>> unrelu.Network.from_arrays([(W, None)]).forward([[2.0]])
        array([[2., 0., 4.]])
        """
        given = list(layers)
        read, assumed = [], False
        for number, layer in enumerate(given, start=1):
            if not isinstance(layer, (tuple, list)) or len(layer) not in (2, 3):
                raise InputTypeError(
                    f"layer {number}", repr(type(layer).__name__), "(W, b) or (W, b, activation)",
                    "pass a tuple for each layer",
                )
            weight = _numbers(layer[0], f"the weight of layer {number}", 2)
            bias = layer[1]
            bias = (
                np.zeros(weight.shape[0])
                if bias is None
                else _numbers(bias, f"the bias of layer {number}", 1)
            )
            own = layer[2] if len(layer) == 3 else None
            last = output_activation if number == len(given) else None
            assumed = assumed or not (own or last or activation)
            name = own or last or activation or "relu"
            if not isinstance(name, str):
                raise InputTypeError(
                    f"the activation of layer {number}", repr(name), "a name such as 'relu'",
                    "change this argument",
                )
            read.append((weight, bias, name))
        network = cls(_unrelu.NetworkCore.from_layers(read), code_shape, image_shape)
        if assumed:
            network.notes = ["no activation was given: ReLU, also in the last layer"]
        return network

    @classmethod
    def from_torch(cls, module: Any, code_shape: Sequence[int] | None = None) -> Network:
        """Read a live module of PyTorch, and prove the reading by comparing outputs.

        The module is read into dense layers where these express it. Otherwise it is read as a
        chain: linear layers, convolutions, stored normalization, upsampling, average pooling, and
        activations of single entries.

        Parameters
        ----------
        module : torch.nn.Module or bound method of one
            The generator in eval mode: an ``nn.Sequential``, a module with any ``forward``, or a
            method such as ``vae.decode``.
        code_shape : sequence of int, optional
            The shape of one code, without the batch axis. By default, it is found from the first
            layer: ``(100, 1, 1)`` if that is a ``ConvTranspose2d`` of 100 channels.

        Raises
        ------
        ValueError
            If the module cannot be expressed; the message names the part that cannot. Also if its
            outputs differ from those of the network that was read.
        """
        from unrelu._from_torch import OperationsReading, read_module

        reading = read_module(module, code_shape)
        if isinstance(reading, OperationsReading):
            document = json.dumps(reading.document)
            network = _of_operations(
                document, reading.tensors, reading.code_shape, reading.image_shape
            )
            from unrelu._from_torch._chain._proof import prove_network

            prove_network("the module", reading, network._core.forward)
            if code_shape is None and len(reading.code_shape) > 1:
                found = f"no code_shape was given: {reading.code_shape}, from the first layer"
                network.notes = [*network.notes, found]
            return network
        core = _unrelu.NetworkCore.from_layers(list(reading.layers))
        return cls(core, reading.code_shape, reading.image_shape)

    @classmethod
    def random(cls, sizes: Sequence[int], *, activation: str = "relu", seed: int = 0) -> Network:
        """Make a network with random weights and no biases, as in the paper's experiments.

        Parameters
        ----------
        sizes : sequence of int
            The lengths of the layers, from the code to the output.
        activation : str
            The activation of every layer.
        seed : int
            The same seed gives the same network on every machine.
        """
        lengths = [integer("sizes", size, 0, 2**31) for size in sizes]
        return cls(_unrelu.NetworkCore.random(lengths, activation, _seed(seed)))

    def random_codes(self, count: int, *, seed: int = 0) -> np.ndarray:
        """Draw codes with independent entries from N(0, 1), shape (count, k)."""
        most = 2**40 // self.code_length
        return self._core.random_codes(integer("count", count, 0, most), _seed(seed))

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the network as ``.safetensors``, which :meth:`from_file` reads.

        The shapes of images and codes are stored where a convolution or another map of images is at
        that end of the network. Otherwise pass `image_shape` to :meth:`from_file`. A pickle keeps
        both.

        Raises
        ------
        InputError
            If the file exists and `overwrite` is False.
        """
        if os.path.exists(path) and not overwrite:
            raise InputError(
                os.fspath(path), "a file that already exists", "a new name",
                "name another file, or pass overwrite=True",
            )
        self._core.save(os.fspath(path), overwrite)

    def forward(self, codes: Any, *, precision: str = "float64") -> Any:
        """Compute ``G(z)``.

        Parameters
        ----------
        codes : array_like or torch.Tensor, shape (count, k) or (count, *code_shape)
            The codes.
        precision : {"float64", "float32"}
            That of the products. ``"float32"`` takes about half the time and gives about six
            digits.

        Returns
        -------
        numpy.ndarray or torch.Tensor, shape (count, *image_shape)
            The images, in the type and on the device of the codes.
        """
        rows = code_rows(codes, self.code_shape)
        images: np.ndarray
        if _is_single(precision):
            images = self._core.forward_f32(rows.given(0, rows.count).astype(np.float32, copy=False))
        else:
            images = self._core.forward(rows(0, rows.count))
        return rows.like(images.reshape(rows.count, *self.image_shape))

    def loss_and_gradient(
        self, codes: Any, observations: Any, *, precision: str = "float64"
    ) -> tuple[np.ndarray, Any]:
        """Compute ``|G(z) - x|**2 / 2`` over the observed entries and its gradient by ``z``.

        Parameters
        ----------
        codes : array_like or torch.Tensor, shape (count, k) or (count, *code_shape)
            The codes ``z``.
        observations : array_like or torch.Tensor, shape (count, n) or (count, *image_shape)
            One ``x`` per code. NaN marks entries that were not observed; they do not count.
        precision : {"float64", "float32"}
            That of the products in both passes.

        Returns
        -------
        losses : numpy.ndarray, shape (count,)
            Of type float64.
        gradients : numpy.ndarray or torch.Tensor, shape (count, *code_shape)
            In the type and on the device of the codes.

        Raises
        ------
        InputError
            If the shapes do not fit, or `precision` is another one.

        Notes
        -----
        Backpropagation: ``d = (G(z) - x) * s'`` at the output, ``(W.T @ d) * s'`` for each layer
        below. At the kink of a ReLU the derivative from below is taken, as PyTorch does.

        Examples
        --------
        >>> import unrelu
        >>> network = unrelu.Network.random([2, 8, 30], seed=1)
        >>> codes = network.random_codes(3, seed=1)
        >>> losses, gradients = network.loss_and_gradient(codes, network.forward(codes))
        >>> bool(losses.max() < 1e-25), gradients.shape
        (True, (3, 2))
        """
        is_single = _is_single(precision)
        rows, images = code_rows(codes, self.code_shape), self._image_rows(observations)
        losses, gradients = self._core.gradients(
            images(0, images.count), rows(0, rows.count), is_single
        )
        return losses, rows.like(gradients.reshape(rows.count, *self.code_shape))

    def _image_rows(self, x: Any, pixels: str | None = None) -> Rows:
        """Observations that are images of the network."""
        return Rows(
            x,
            self.image_length,
            symmetric_pixels=self._activation == "tanh",
            pixels=pixels,
            image_shape=self.image_shape,
        )

    @property
    def layers(self) -> list[tuple[np.ndarray, np.ndarray, str]]:
        """Copies of the weight (units, inputs), the bias (units,) and the activation per layer.

        Raises
        ------
        InputError
            If a layer has no matrix, such as a convolution; :meth:`save` writes its tensors.
        """
        return self._core.layers()

    def __repr__(self) -> str:
        def text(shape: tuple[int, ...]) -> str:
            return " x ".join(map(str, shape))

        lines = [f"Network({text(self.code_shape)} -> {text(self.image_shape)})"]
        for number, (units, inputs, activation) in enumerate(self._core.shapes(), start=1):
            lines.append(f"  {number}: {units} x {inputs}, {activation}")
        return "\n".join(lines)

    @property
    def _operations(self) -> tuple[str, dict[str, np.ndarray]] | None:
        """The list of operations and its tensors; None if every layer has a matrix."""
        if self._listed is None:
            self._listed = self._core.operations()
        return self._listed

    def __reduce__(self) -> tuple[Any, ...]:
        rest = (self.code_shape, self.image_shape, self.notes)
        if self._operations is not None:
            return _of_operations, (*self._operations, *rest)
        return _rebuilt, (self.layers, *rest)


def _of_operations(
    document: str,
    tensors: dict[str, np.ndarray],
    code_shape: tuple[int, ...],
    image_shape: tuple[int, ...],
    notes: list[str] | None = None,
) -> Network:
    """The network of a list of operations, also of one in a pickle."""
    # Arrays that a network connection or a pickle delivered may start at any address.
    tensors = {
        name: np.require(tensor, requirements=["C_CONTIGUOUS", "ALIGNED"])
        for name, tensor in tensors.items()
    }
    core = _unrelu.NetworkCore.from_operations(document, tensors)
    network = Network(core, code_shape, image_shape)
    network._listed = document, tensors
    if notes is not None:
        network.notes = notes
    return network


def _rebuilt(
    layers: list[Any],
    code_shape: tuple[int, ...],
    image_shape: tuple[int, ...],
    notes: list[str],
) -> Network:
    """The network of a pickle."""
    read = [(plain(weight), plain(bias), activation) for weight, bias, activation in layers]
    network = Network(_unrelu.NetworkCore.from_layers(read), code_shape, image_shape)
    network.notes = notes
    return network


def _seed(seed: int) -> int:
    return integer("option `seed`", seed, 0, 2**64 - 1)


def _shape(given: Sequence[int] | None, own: Sequence[int], name: str) -> tuple[int, ...]:
    """The shape given, or else its own."""
    length = math.prod(own)
    if given is None:
        return tuple(own)
    sizes = [given] if isinstance(given, (int, np.integer)) else given
    shape = tuple(integer(f"option `{name}`", size, 1, 2**53) for size in sizes)
    if math.prod(shape) != length:
        raise InputError(
            f"option `{name}`", str(shape), f"a shape of {length} entries", "change this argument"
        )
    return shape


def _numbers(values: Any, name: str, axes: int) -> np.ndarray:
    """An array of float64 in C order with this number of axes."""
    if is_tensor(values):
        values = tensor_numbers(values, name)
    array = np.asarray(values)
    if array.dtype.kind not in "fiu":
        raise InputTypeError(
            name, f"an array of type {array.dtype}", "numbers", "pass an array of floats"
        )
    if array.ndim != axes:
        wanted = "(units, inputs)" if axes == 2 else "(units,)"
        raise InputError(
            name, f"an array of shape {array.shape}", f"the shape {wanted}", "reshape the array"
        )
    return plain(array)
