"""The command line, in this process where that is enough."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fr_eval.embedders import Preprocessing, load_embedder
from fr_models import cli, create, save
from tensorflow import keras

from tests.commands import Run, output_without, run_without, runner
from tests.fr_eval.faces import face

OF_PYTORCH = {"bias": "bias", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner("fr-models", cli.main, monkeypatch, capsys)


def test_help_without_tensorflow() -> None:
    for arguments in (["--help"], ["convert", "--help"]):
        heavy = ["tensorflow", "keras", "onnx", "pandas", "h5py"]
        assert "Usage:" in output_without(heavy, "fr_models.cli", arguments)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["list", "se_r1?"], "11,569,024"),
        (["describe", "r19"], "model: there is no 'r19'"),
        (["summary", "nofile.keras"], "nofile.keras: no such file"),
        (["summary", "r19"], "model: there is no 'r19'"),
        (["convert", "nofile.onnx", "-o", "x.keras"], "nofile.onnx: no such file"),
        (["convert", __file__, "-o", "x.keras", "--model", "r19"], "model: there is no 'r19'"),
    ],
)
def test_what_needs_no_tensorflow(arguments: list[str], expected: str) -> None:
    done = run_without(["tensorflow", "keras"], "fr_models.cli", arguments)
    assert done.returncode in (0, 2), done.stderr
    assert expected in done.stdout + done.stderr


def test_tensorflow_is_quiet() -> None:
    """Nothing but the answer, without settings of TensorFlow in the environment."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    command = [sys.executable, "-m", "fr_models.cli", "summary", "mobilefacenet"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, "") and "head_dense" in done.stdout


def test_list_builds_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fr_models._create.create", None)
    code, out, _ = run("list", "se_r*")
    assert code == 0 and "IR-SE-18." in out and "https://arxiv.org/abs/1801.07698" in out
    assert "\nr18" not in out
    assert run("list", "qqq") == (
        2,
        "",
        "fr-models: qqq: no model has such a name; fr-models list shows all\n",
    )


def test_describe(run: Run) -> None:
    code, out, _ = run("describe", "r18")
    assert code == 0 and "IResNet-18" in out and "padding = explicit" in out
    assert "(pixel - 127.5) * 0.0078125, RGB, 112 x 112" in out


def test_convert_and_summary(tmp_path: Path, run: Run) -> None:
    source = create("r18", embedding_dim=16)
    save(source, tmp_path / "source.keras", Preprocessing((112, 112), 1 / 127.5, 127.5, "RGB"))
    output = tmp_path / "net.keras"
    arguments = ["--model", "r18", "--embedding-dim", 16, "-o", output]
    code, out, err = run("convert", tmp_path / "source.keras", *arguments)
    assert code == 0, err
    assert f"source.keras: {len(source.weights)} tensors matched" in out
    assert "the same output when loaded" in out
    assert json.loads((tmp_path / "net.json").read_text())["scale"] == 1 / 127.5
    pixels = face(0, 0, 112)[None]
    expected = source(Preprocessing.beside(output).apply(pixels), training=False)
    np.testing.assert_allclose(load_embedder(output)(pixels), expected, rtol=1e-5)
    code, out, _ = run("summary", output)
    assert code == 0 and "stack4_block2_add" in out and f"{source.count_params():,} parameters" in out


def test_convert_with_options(tmp_path: Path, run: Run) -> None:
    """PyTorch's MobileFaceNet pads alike at both sides: what another padding would give is refused."""
    safetensors = pytest.importorskip("safetensors.numpy")
    settings = {"embedding_dim": 16, "input_shape": (48, 48, 3), "pointwise": 8, "activation": "relu"}
    source = create("mobilefacenet", **settings, padding="explicit", bn_epsilon=1e-5, use_se=True)
    rng, state = np.random.default_rng(0), {}
    for number, layer in enumerate(layer for layer in source.layers if layer.weights):
        is_depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
        weights = [rng.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()]
        if weights[0].ndim in (2, 4) and not isinstance(layer, keras.layers.PReLU):
            fan_in = np.prod(weights[0].shape[:2] if is_depthwise else weights[0].shape[:-1])
            weights[0] = rng.normal(0, np.sqrt(2 / fan_in), weights[0].shape)
        weights = [weight.astype("float32") for weight in weights]
        layer.set_weights(weights)
        names = [str(weight.name).split("/")[-1].split(":")[0] for weight in layer.weights]
        for name, weight in zip(names, weights, strict=True):
            if weight.ndim == 4:
                weight = weight.transpose((2, 3, 0, 1) if is_depthwise else (3, 2, 0, 1))
            key = f"{number:03d}.{OF_PYTORCH.get(name, 'weight')}"
            state[key] = np.ascontiguousarray(weight.T if weight.ndim == 2 else weight)
    safetensors.save_file(state, tmp_path / "net.safetensors")
    output = tmp_path / "net.keras"
    command = ["convert", tmp_path / "net.safetensors", "-o", output, "--model", "mobilefacenet"]
    command += [
        "--embedding-dim",
        16,
        "--input-size",
        48,
        "--pointwise",
        8,
        "--activation",
        "relu",
        "--use-se",
    ]
    command += ["--scale", 1 / 128, "--offset", 127.5, "--colour", "RGB", "--bn-epsilon", 1e-5]
    code, _, err = run(*command)
    assert code == 2 and "pads alike at both sides; create the model with padding=" in err
    assert not output.exists()
    code, _, err = run(*command, "--padding", "explicit")
    assert code == 0, err
    images = rng.normal(size=(2, 48, 48, 3)).astype("float32")
    again = keras.models.load_model(output, compile=False)
    expected = np.asarray(source(images))
    assert np.all(np.isfinite(expected)) and np.any(expected != 0)
    np.testing.assert_allclose(again(images), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_convert_a_graph(tmp_path: Path, run: Run) -> None:
    pytest.importorskip("onnx")
    from tests.fr_eval.faces import write_onnx

    write_onnx(tmp_path / "net.onnx")
    code, _, err = run("convert", tmp_path / "net.onnx", "-o", tmp_path / "new.keras")
    assert code == 0, err
    pixels = np.stack([face(identity, 0) for identity in range(3)])
    embeddings = load_embedder(tmp_path / "new.keras")(pixels)
    np.testing.assert_allclose(embeddings, load_embedder(tmp_path / "net.onnx")(pixels), atol=1e-5)


def test_convert_two_outputs(tmp_path: Path, run: Run) -> None:
    source = create("mobilefacenet", embedding_dim=4, input_shape=(32, 32, 3), with_norm=True)
    save(source, tmp_path / "source.keras", Preprocessing((32, 32), 1 / 127.5, 127.5, "RGB"))
    code, out, err = run("convert", tmp_path / "source.keras", "-o", tmp_path / "net.keras")
    assert code == 0 and "the same output when loaded" in out, err


@pytest.mark.parametrize("is_shared", [False, True])
def test_what_loads_as_another_model_is_removed(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, is_shared: bool
) -> None:
    """But not the sidecar of the model beside it."""
    from fr_models.cli import convert

    image = keras.Input((8, 8, 3))
    model = keras.Model(image, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(image)))
    save(model, tmp_path / "a.keras", Preprocessing((8, 8), 1.0, 0.0, "RGB"))
    left = {"a.keras", "a.json"}
    if is_shared:
        save(model, tmp_path / "net.keras", Preprocessing((8, 8), 1.0, 0.0, "RGB"))
        (tmp_path / "net.keras").rename(tmp_path / "net.onnx")
        left |= {"net.onnx", "net.json"}
    load = convert.load_keras

    def load_damaged(path: Path) -> Any:
        found = load(path)
        if path.name == "net.keras":
            found.layers[-1].bias.assign([1.0, 0.0])
        return found

    monkeypatch.setattr(convert, "load_keras", load_damaged)
    code, _, err = run("convert", tmp_path / "a.keras", "-o", tmp_path / "net.keras")
    assert code == 2 and "loaded again, it gave other numbers than" in err, err
    assert {path.name for path in tmp_path.iterdir()} == left


@pytest.mark.parametrize(
    ("shape", "value", "message"),
    [
        ((8, 8, 3), np.nan, "expected finite outputs for random images, got NaN or infinity"),
        ((8, 8, 1), 1.0, "expected images of a fixed size and 3 channels as input, found (None, 8, 8, 1)"),
        ((None, None, 3), 1.0, "expected images of a fixed size and 3 channels as input, found (None, None,"),
    ],
)
def test_convert_refuses_before_it_writes(
    shape: tuple[int | None, ...], value: float, message: str, tmp_path: Path, run: Run
) -> None:
    image = keras.Input(shape)
    model = keras.Model(image, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(image)))
    model.layers[-1].bias.assign([value, 0])
    save(model, tmp_path / "a.keras", Preprocessing((8, 8), 1.0, 0.0, "RGB"))
    code, _, err = run("convert", tmp_path / "a.keras", "-o", tmp_path / "b.keras")
    assert code == 2 and message in err and err.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"a.keras", "a.json"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["convert", "net.h5", "-o", "x.h5"], "--output: expected a .keras file, got x.h5"),
        (["convert", "net.h5", "-o", "x.keras"], "net.h5: no such file"),
        (
            ["convert", "empty.h5", "-o", "x.keras"],
            "--model: needed for .h5 files, which have weights and no network",
        ),
        (
            ["convert", "empty.h5", "-o", "x.keras", "--model", "r81"],
            "model: there is no 'r81'; did you mean",
        ),
        (["convert", "empty.keras", "-o", "x.keras"], "empty.keras: Keras cannot load it"),
        (["convert"], "Missing argument"),
        (
            ["convert", "empty.keras", "-o", "x.keras", "--head", "E"],
            "--head: of a registered model alone, expected --model, too",
        ),
        (["describe", "R50"], "model: there is no 'R50'; did you mean r50"),
        (["summary", "net.onnx"], "net.onnx: no such file"),
    ],
)
def test_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("empty.h5", "empty.keras"):
        Path(name).write_bytes(b"")
    code, _, err = run(*arguments)
    assert code == 2 and err.startswith(f"fr-models: {message}") and err.count("\n") == 1


def test_preprocessing_is_never_guessed(tmp_path: Path, run: Run) -> None:
    pytest.importorskip("onnx")
    from tests.fr_eval.faces import write_onnx

    write_onnx(tmp_path / "net.onnx")
    (tmp_path / "net.json").unlink()
    command = ["convert", tmp_path / "net.onnx", "-o", tmp_path / "new.keras"]
    code, _, err = run(*command)
    assert code == 2 and "its preprocessing is unknown: write net.json beside it or give --scale" in err
    code, _, err = run(*command, "--scale", 0.5)
    assert (
        code == 2 and "preprocessing: --offset, --colour missing, expected all three options or none" in err
    )
    assert not (tmp_path / "new.keras").exists()
    assert run(*command, "--scale", 0.5, "--offset", 3, "--colour", "BGR")[0] == 0
    assert json.loads((tmp_path / "new.json").read_text())["colour"] == "BGR"
