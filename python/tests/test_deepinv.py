"""Recovery as a reconstruction model of deepinv."""

import sys
from pathlib import Path

import pytest

import unrelu

pytestmark = [
    pytest.mark.integrations,
    # Noise takes some entries below 0, the least that a ReLU can reach.
    pytest.mark.filterwarnings("ignore::unrelu.UnreluWarning"),
]
import torch  # noqa: E402
import deepinv  # noqa: E402

from unrelu.deepinv import GeneratorReconstructor  # noqa: E402

torch.set_num_threads(1)
ROOT = Path(__file__).resolve().parents[2]
SHAPE = (1, 28, 28)


@pytest.fixture(scope="module")
def network():
    """The trained generator of the examples, of 20 -> 60 -> 784."""
    return unrelu.Network.from_file(ROOT / "examples/mnist_relu_20_60_784.safetensors")


@pytest.fixture(scope="module")
def images(network):
    """Images of the generator, float32."""
    codes = network.random_codes(4, seed=1)
    return torch.from_numpy(network.forward(codes)).float().reshape(-1, *SHAPE)


def physics_of(name):
    torch.manual_seed(1)
    if name == "inpainting":
        return deepinv.physics.Inpainting(SHAPE, mask=(torch.rand(SHAPE) < 0.5).float())
    if name == "compressed sensing":
        return deepinv.physics.CompressedSensing(200, SHAPE)
    return deepinv.physics.Denoising(deepinv.physics.GaussianNoise(0.1))


@pytest.mark.parametrize("name", ["inpainting", "compressed sensing"])
def test_each_image_of_a_batch_is_recovered(network, images, name):
    physics = physics_of(name)
    model = GeneratorReconstructor(network, SHAPE)
    found = model(physics(images), physics)
    assert found.shape == images.shape and found.dtype == images.dtype
    torch.testing.assert_close(found, images, rtol=0, atol=1e-4)
    assert model.last.ok.all()


def test_denoising_comes_nearer_to_the_image(network, images):
    physics = physics_of("denoising")
    y = physics(images)
    found = GeneratorReconstructor(network, SHAPE)(y, physics)
    nearer = (found - images).flatten(1).norm(dim=1) / (y - images).flatten(1).norm(dim=1)
    # 20 numbers are fitted to 784: the noise that remains is about sqrt(20/784) = 0.16 of it.
    assert (nearer < 0.3).all()


def test_it_runs_in_deepinv_test(network, images):
    physics = physics_of("inpainting")
    data = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(images, physics(images)), batch_size=2
    )
    found = deepinv.test(
        GeneratorReconstructor(network, SHAPE),
        data,
        physics,
        metrics=deepinv.loss.metric.MSE(),
        verbose=False,
        show_progress_bar=False,
    )
    assert found["MSE"] < 1e-8
    assert found["MSE no learning"] > 1e-3


def test_a_generator_of_csgm_is_read_and_read_again(network, images):
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        from bench_deepinv import Decoder
    finally:
        sys.path.pop(0)
    generator = Decoder(ROOT / "examples/mnist_relu_20_60_784.safetensors").eval()
    physics = physics_of("inpainting")
    model = GeneratorReconstructor(generator)
    torch.testing.assert_close(model(physics(images), physics), images, rtol=0, atol=1e-4)
    assert model.network.code_shape == (20, 1, 1) and model.network.image_shape == SHAPE
    with torch.no_grad():
        generator.layers[1].weight *= 2
    assert (model.network.layers[0][0] == network.layers[0][0]).all()
    model.read()
    assert (model.network.layers[0][0] == 2 * network.layers[0][0]).all()


def test_the_same_seed_gives_the_same_images(network, images):
    physics = physics_of("denoising")
    y = physics(images[:2])
    one, other = (GeneratorReconstructor(network, SHAPE, seed=3)(y, physics) for _ in range(2))
    assert torch.equal(one, other)


def test_what_is_no_generator_is_refused():
    with pytest.raises(unrelu.InputTypeError, match="generator: found a function"):
        GeneratorReconstructor(lambda z: z)


def test_an_option_for_nothing_is_refused(network):
    with pytest.raises(unrelu.InputError, match="code_shape"):
        GeneratorReconstructor(network, SHAPE, code_shape=(20,))


def test_the_identity_is_not_formed_and_other_images_are_refused():
    layers = unrelu.Network.random([3, 12, 16], seed=1).layers
    network = unrelu.Network.from_arrays(layers, image_shape=(1, 4, 4))
    images = torch.from_numpy(network.forward(network.random_codes(3, seed=1)))
    physics = deepinv.physics.Denoising(deepinv.physics.GaussianNoise(0.1))
    recoverer = unrelu.Recoverer(network, physics)
    assert recoverer.operator.core is None
    assert torch.equal(recoverer.recover(images).codes, unrelu.recover(network, images).codes)
    flat = unrelu.Network.from_arrays(layers)
    other = deepinv.physics.Inpainting((1, 4, 4), mask=0.5)
    with pytest.raises(ValueError, match="image_shape"):
        unrelu.recover(flat, other(images.float()), other)
