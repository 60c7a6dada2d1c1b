"""PyTorch's state dicts into our models."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fr_eval import MissingExtraError
from fr_models import Head, create, load_weights
from tensorflow import keras

from tests.fr_models import mobilefacenet_files
from tests.fr_models.conftest import Source
from tests.fr_models.insightface_files import DIM, SIZE, assert_same, run_onnx

safetensors = pytest.importorskip("safetensors.numpy")
CREATE = {"embedding_dim": DIM, "head": "E", "input_shape": (SIZE, SIZE, 3)}


def test_iresnet(iresnet18: Source, tmp_path: Path) -> None:
    path = tmp_path / "backbone.safetensors"
    safetensors.save_file({f"module.{name}": tensor for name, tensor in iresnet18.state.items()}, path)
    model = create("r18", **CREATE)
    report = load_weights(model, path)
    assert_same(model(iresnet18.images, training=False), iresnet18.embeddings)
    assert len(report.matched) == len(model.weights) and not report.unused
    np.testing.assert_array_equal(
        model.get_layer("stack1_block1_shortcut_bn").moving_variance,
        iresnet18.state["layer1.0.downsample.1.running_var"],
    )


def test_a_deeper_network(iresnet18: Source, tmp_path: Path) -> None:
    """All names and shapes of ours are there, and blocks more."""
    deeper = {name.replace("layer1.1", "layer1.2"): tensor for name, tensor in iresnet18.state.items()}
    path = tmp_path / "deeper.safetensors"
    safetensors.save_file({**iresnet18.state, **deeper}, path)
    with pytest.raises(
        ValueError,
        match=r"stack1_block3_1_bn: expected no other layers than the model's, found 6, such as this bn",
    ):
        create("r18", **CREATE, weights=path)


def test_mobilefacenet(tmp_path: Path, rng: np.random.Generator) -> None:
    """Names of arcface_torch's modules; its graph, run by onnxruntime, gives the numbers."""
    state = mobilefacenet_files.state_dict(rng)
    path = tmp_path / "mbf.safetensors"
    safetensors.save_file(state, path)
    model = create("mbf", mobilefacenet_files.DIM, Head("GDC", pointwise_activation="prelu"), pointwise=512)
    report = load_weights(model, path)
    assert len(report.matched) == len(model.weights) and not report.unused
    images = rng.normal(size=(2, 112, 112, 3)).astype("float32")
    onnx = pytest.importorskip("onnx")
    assert onnx
    expected = run_onnx(mobilefacenet_files.write_onnx(tmp_path / "mbf.onnx", state), images)
    assert_same(model(images, training=False), expected)
    model = create("mbf", mobilefacenet_files.DIM, Head("GDC", pointwise_activation="prelu"), pointwise=512)
    load_weights(model, tmp_path / "mbf.onnx")
    assert_same(model(images, training=False), expected)


def sequence() -> keras.Model:
    """A convolution, BN, PReLU, twice, and a dense layer after a flattening; none has PyTorch's names."""
    image = keras.Input((6, 5, 3))
    x = image
    for number in range(2):
        x = keras.layers.Conv2D(3, 3, padding="same", use_bias=False, name=f"c{number}")(x)
        x = keras.layers.BatchNormalization(epsilon=1e-5, name=f"b{number}")(x)
        x = keras.layers.PReLU(shared_axes=[1, 2], name=f"p{number}")(x)
    x = keras.layers.Dense(4, name="d")(keras.layers.Flatten(name="f")(x))
    return keras.Model(image, x)


def of_sequence(rng: np.random.Generator, stem: str = "") -> dict[str, np.ndarray]:
    state = {}
    for number in range(2):
        at = 3 * number
        state[f"{stem}{at}.weight"] = rng.normal(size=(3, 3, 3, 3))
        for role in ("weight", "bias", "running_mean", "running_var"):
            state[f"{stem}{at + 1}.{role}"] = rng.uniform(0.5, 1.5, 3)
        state[f"{stem}{at + 2}.weight"] = rng.uniform(0.1, 0.4, 3)
    state[f"{stem}7.weight"] = rng.normal(size=(4, 90))
    state[f"{stem}7.bias"] = rng.normal(size=4)
    return {name: tensor.astype("float32") for name, tensor in state.items()}


def test_unknown_names_by_order(tmp_path: Path, rng: np.random.Generator) -> None:
    state = of_sequence(rng)
    safetensors.save_file(state, tmp_path / "net.safetensors")
    model = sequence()
    load_weights(model, tmp_path / "net.safetensors")
    np.testing.assert_array_equal(model.get_layer("c1").kernel, state["3.weight"].transpose(2, 3, 1, 0))
    np.testing.assert_array_equal(model.get_layer("b1").moving_mean, state["4.running_mean"])
    np.testing.assert_array_equal(np.ravel(model.get_layer("p1").alpha), state["5.weight"])
    rows = np.asarray(model.get_layer("d").kernel).reshape(6, 5, 3, 4)
    np.testing.assert_array_equal(rows, state["7.weight"].reshape(4, 3, 6, 5).transpose(2, 3, 1, 0))


@pytest.mark.parametrize("flatten", [keras.layers.Flatten(), keras.layers.Reshape((-1,))])
@pytest.mark.parametrize("places", ["bn", "bn and dense", "dropout, prelu and dense", "permuted"])
def test_what_comes_after_a_flattening(
    places: str, flatten: Any, tmp_path: Path, rng: np.random.Generator
) -> None:
    """Numbers a feature are of ``[C, H, W]`` in the file, and so are the dense layer's rows behind them."""
    image = keras.Input((4, 2, 3))
    x = keras.layers.Permute((3, 1, 2))(image) if places == "permuted" else image
    x = flatten.__class__.from_config(flatten.get_config())(x)
    flat = rng.normal(size=(5, 24)).astype("float32")
    expected, state = flat.astype(float), {}
    if "bn" in places:
        x = keras.layers.BatchNormalization(epsilon=1e-5)(x)
        state |= {f"1.{role}": rng.uniform(0.5, 1.5, 24) for role in ("weight", "bias")}
        state |= {f"1.{role}": rng.uniform(0.5, 1.5, 24) for role in ("running_mean", "running_var")}
        scale = state["1.weight"] / np.sqrt(state["1.running_var"] + 1e-5)
        expected = (expected - state["1.running_mean"]) * scale + state["1.bias"]
    if "prelu" in places:
        x = keras.layers.PReLU()(keras.layers.Dropout(0.5)(x))
        state["1.weight"] = rng.uniform(0.1, 0.4, 24)
        expected = np.where(expected > 0, expected, expected * state["1.weight"])
    if places != "bn":
        x = keras.layers.Dense(24)(x)
        state |= {"2.weight": rng.normal(size=(24, 24)), "2.bias": rng.normal(size=24)}
        expected = expected @ state["2.weight"].T + state["2.bias"]
    path = tmp_path / "net.safetensors"
    safetensors.save_file({name: tensor.astype("float32") for name, tensor in state.items()}, path)
    model = keras.Model(image, x)
    load_weights(model, path)
    found = np.asarray(model(flat.reshape(5, 3, 4, 2).transpose(0, 2, 3, 1), training=False))
    if places == "bn":
        found = found.reshape(5, 4, 2, 3).transpose(0, 3, 1, 2).reshape(5, 24)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_a_bias_behind_an_activation(tmp_path: Path, rng: np.random.Generator) -> None:
    """The batch normalisation comes after the activation, so that it cannot take the bias before it."""
    image = keras.Input((4, 4, 3))
    x = keras.layers.Conv2D(2, 1, use_bias=False, activation="relu", name="conv")(image)
    model = keras.Model(image, keras.layers.BatchNormalization(name="bn")(x))
    state = {"0.weight": rng.normal(size=(2, 3, 1, 1)), "0.bias": rng.normal(size=2)}
    state |= {f"1.{role}": rng.uniform(0.5, 1.5, 2) for role in ("weight", "bias")}
    state |= {f"1.{role}": rng.uniform(0.5, 1.5, 2) for role in ("running_mean", "running_var")}
    path = tmp_path / "net.safetensors"
    safetensors.save_file({name: tensor.astype("float32") for name, tensor in state.items()}, path)
    with pytest.raises(ValueError, match=r"conv: expected no bias, found 0.bias, and no batch normalisation"):
        load_weights(model, path)


def test_two_layers_of_one_name(tmp_path: Path) -> None:
    """In models inside of a model, which have names of their own."""
    image = keras.Input((4,))
    parts = [
        keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, name="d")], name=name) for name in "ab"
    ]
    model = keras.Model(image, parts[1](parts[0](image)), name="own")
    safetensors.save_file({"d.weight": np.ones((4, 4), "float32")}, tmp_path / "net.safetensors")
    with pytest.raises(ValueError, match=r"^own: expected layers .+, found two called d$"):
        load_weights(model, tmp_path / "net.safetensors")


def test_order_that_the_file_does_not_tell(tmp_path: Path, rng: np.random.Generator) -> None:
    """safetensors sorts by name: only numbers tell the order."""
    state = {("b." if name[0] < "3" else "a.") + name: tensor for name, tensor in of_sequence(rng).items()}
    safetensors.save_file(state, tmp_path / "net.safetensors")
    with pytest.raises(
        ValueError, match=r"c0: a.3 and b.0 have its shape; which comes first, the file does not tell"
    ):
        load_weights(sequence(), tmp_path / "net.safetensors")


def test_layers_side_by_side(tmp_path: Path, rng: np.random.Generator) -> None:
    image = keras.Input((6, 6, 3))
    branches = [keras.layers.Conv2D(3, 1, use_bias=False, name=name)(image) for name in ("left", "right")]
    model = keras.Model(image, keras.layers.Add()(branches))
    state = {f"{n}.weight": rng.normal(size=(3, 3, 1, 1)).astype("float32") for n in range(2)}
    safetensors.save_file(state, tmp_path / "net.safetensors")
    with pytest.raises(
        ValueError, match=r"left: right has the same shape and does not come after it; only names"
    ):
        load_weights(model, tmp_path / "net.safetensors")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"7.weight": None}, r"net.safetensors: d: expected conv \[1, 1, 90, 4\], found none"),
        (
            {"7.weight": np.zeros((4, 80), "float32")},
            r"d: expected conv \[1, 1, 90, 4\], found conv \[1, 1, 80, 4\] \(7\)",
        ),
        (
            {"4.running_var": np.full(3, np.nan, "float32")},
            r"b1/variance: expected finite numbers, found NaN",
        ),
        ({"1.running_mean": None}, r"b0: expected 2 layers bn \[3\] that no name settles, found 1"),
        ({"7.bias": np.zeros(3, "float32")}, r"d/bias: expected \[4\], found \[3\] \(7.bias\)"),
    ],
)
def test_all_or_nothing(
    tmp_path: Path, rng: np.random.Generator, change: dict[str, np.ndarray | None], message: str
) -> None:
    state = {**of_sequence(rng), **change}
    safetensors.save_file({n: t for n, t in state.items() if t is not None}, tmp_path / "net.safetensors")
    model = sequence()
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        load_weights(model, tmp_path / "net.safetensors")
    for weight, kept in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, kept)


def test_a_bias_without_a_place(tmp_path: Path, rng: np.random.Generator) -> None:
    image = keras.Input((4,))
    model = keras.Model(image, keras.layers.Dense(2, use_bias=False, name="d")(image))
    state = {"d.weight": rng.normal(size=(2, 4)), "d.bias": rng.normal(size=2)}
    safetensors.save_file({n: t.astype("float32") for n, t in state.items()}, tmp_path / "net.safetensors")
    with pytest.raises(
        ValueError, match=r"d: expected no bias, found d.bias, and no batch normalisation follows"
    ):
        load_weights(model, tmp_path / "net.safetensors")


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net.safetensors"
    path.write_bytes(b"nonsense")
    with pytest.raises(ValueError, match=r"net.safetensors: expected safetensors: "):
        load_weights(sequence(), path)
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / "net.pt").write_bytes(b"")
    with pytest.raises(MissingExtraError, match=r"net.pt needs torch: python -m pip install torch$"):
        load_weights(sequence(), tmp_path / "net.pt")
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(
        MissingExtraError, match=r"needs safetensors: python -m pip install 'fr-models\[torch\]'$"
    ):
        load_weights(sequence(), path)
    with pytest.raises(ValueError, match=r"net.bin: no such file"):
        load_weights(sequence(), tmp_path / "net.bin")
    (tmp_path / "net.bin").write_bytes(b"")
    with pytest.raises(
        ValueError, match=r"net.bin: expected .keras, .h5, .onnx, .safetensors, .pt, .pth or .params"
    ):
        load_weights(sequence(), tmp_path / "net.bin")


class Tensor:
    """What is used of PyTorch's."""

    def __init__(self, value: np.ndarray) -> None:
        self.value = value

    def is_floating_point(self) -> bool:
        return self.value.dtype.kind == "f"

    def float(self) -> Tensor:
        return self

    def numpy(self) -> np.ndarray:
        return self.value


def test_pickle_of_tensors_only(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for PyTorch, which is large: what is asked of it, and what becomes of its answers."""
    state = of_sequence(rng, "backbone.")
    answers = {
        "net.pt": {"state_dict_backbone": {name: Tensor(tensor) for name, tensor in state.items()}},
        "net.pth": {name: Tensor(tensor) for name, tensor in state.items()},
        "other.pt": {"epoch": 3},
    }

    def load(path: Path, *, map_location: str, weights_only: bool) -> Any:
        assert map_location == "cpu" and weights_only
        if path.name not in answers:
            raise pickle.UnpicklingError("Weights only load failed.\nMore lines.")
        return answers[path.name]

    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(load=load, Tensor=Tensor))
    for name in (*answers, "code.pt"):
        (tmp_path / name).write_bytes(b"")
    for name in ("net.pt", "net.pth"):
        model = sequence()
        load_weights(model, tmp_path / name)
        np.testing.assert_array_equal(model.get_layer("b1").moving_mean, state["backbone.4.running_mean"])
    with pytest.raises(ValueError, match=r"other.pt: expected a state dict of tensors, found dict$"):
        load_weights(sequence(), tmp_path / "other.pt")
    with pytest.raises(
        ValueError, match=r"code.pt: expected a state dict and nothing else: Weights only load failed.$"
    ):
        load_weights(sequence(), tmp_path / "code.pt")


def modules(torch: Any) -> Any:
    """`sequence` in PyTorch, with statistics as of a trained network."""
    parts: list[Any] = []
    for _ in range(2):
        parts += [torch.nn.Conv2d(3, 3, 3, padding=1, bias=False), torch.nn.BatchNorm2d(3), torch.nn.PReLU(3)]
    network = torch.nn.Sequential(*parts, torch.nn.Flatten(), torch.nn.Linear(90, 4)).eval()
    for norm in (network[1], network[4]):
        torch.nn.init.uniform_(norm.running_mean, -0.3, 0.3)
        torch.nn.init.uniform_(norm.running_var, 0.5, 2.0)
    return network


class Hostile:
    """A pickle of it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_files_of_pytorch(tmp_path: Path, rng: np.random.Generator) -> None:
    """What `torch.save` writes in its two formats, and the network's own numbers."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed; it is large")
    network, images = modules(torch), rng.normal(size=(2, 6, 5, 3)).astype("float32")
    with torch.no_grad():
        expected = network(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).numpy()
    state = network.state_dict()
    torch.save(state, tmp_path / "zip.pt")
    torch.save(state, tmp_path / "legacy.pth", _use_new_zipfile_serialization=False)
    torch.save({"epoch": 3, "state_dict_backbone": state}, tmp_path / "checkpoint.pt")
    torch.save({f"module.{name}": tensor for name, tensor in state.items()}, tmp_path / "parallel.pt")
    for name in ("zip.pt", "legacy.pth", "checkpoint.pt", "parallel.pt"):
        model = sequence()
        report = load_weights(model, tmp_path / name)
        assert len(report.matched) == len(model.weights) and not report.unused
        np.testing.assert_allclose(model(images, training=False), expected, rtol=1e-4, atol=1e-5)


def test_pickles_that_pytorch_would_run(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed; it is large")
    made = tmp_path / "made"
    torch.save({"0.weight": torch.zeros(3), "code": Hostile(made)}, tmp_path / "hostile.pt")
    torch.save(modules(torch), tmp_path / "module.pt")
    (tmp_path / "short.pt").write_bytes((tmp_path / "module.pt").read_bytes()[:500])
    for name in ("hostile.pt", "module.pt", "short.pt"):
        with pytest.raises(ValueError, match=rf"{name}: expected a state dict and nothing else: ") as caught:
            load_weights(sequence(), tmp_path / name)
        assert "\n" not in str(caught.value)
    assert not made.exists()
