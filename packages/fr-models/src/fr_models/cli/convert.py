"""``fr-models convert``: any file of weights to a ``.keras`` model with its preprocessing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from fr_eval.command_line import console, quiet_tensorflow

from fr_models._checks import existing_file
from fr_models._registry import checked_name
from fr_models.cli._options import (
    Activation,
    BnEpsilon,
    Colour,
    EmbeddingDim,
    HeadKind,
    InputSize,
    Offset,
    Padding,
    Pointwise,
    Scale,
    UseSe,
    preprocessing_of,
)

if TYPE_CHECKING:
    from fr_models.weights import Report

OF_MODEL = (
    "embedding_dim",
    "head",
    "input_size",
    "activation",
    "use_se",
    "pointwise",
    "padding",
    "bn_epsilon",
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(convert)


def convert(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(help=".keras, .h5, .onnx, .safetensors, .pt, .pth or .params.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The .keras file to write.")],
    model: Annotated[
        str | None,
        typer.Option("--model", help="A registered model; without, the graph of an .onnx or .keras file."),
    ] = None,
    embedding_dim: EmbeddingDim = 512,
    head: HeadKind = "GDC",
    input_size: InputSize = 112,
    activation: Activation = None,
    use_se: UseSe = None,
    pointwise: Pointwise = 0,
    padding: Padding = None,
    bn_epsilon: BnEpsilon = None,
    scale: Scale = None,
    offset: Offset = None,
    colour: Colour = None,
) -> None:
    """Write a network as MODEL.keras with its preprocessing, MODEL.json, beside it.

    The preprocessing is that of the options, or of the source's own .json file. The written file is loaded
    again and must give the same numbers.
    """
    if output.suffix != ".keras":
        raise ValueError(f"--output: expected a .keras file, got {output}")
    existing_file("source", source)
    if model is not None:
        checked_name(model)
    elif given := [name for name in OF_MODEL if _is_given(context, name)]:
        raise ValueError(
            f"--{given[0].replace('_', '-')}: of a registered model alone, expected --model, too"
        )
    quiet_tensorflow()
    import numpy as np
    from fr_eval.model_files import remove_with_sidecar

    from fr_models import save

    settings = {
        "embedding_dim": embedding_dim,
        "head": head,
        "input_shape": (input_size, input_size, 3),
        "activation": activation,
        "use_se": use_se,
        "pointwise": pointwise,
        "padding": padding,
        "bn_epsilon": bn_epsilon,
    }
    network, report = _network(source, model, settings)
    height, width = _image_size(network, source)
    preprocessing = preprocessing_of(source, (height, width), scale, offset, colour)
    images = np.random.default_rng(0).normal(size=(2, height, width, 3)).astype(np.float32)
    expected = _outputs(network, images)
    if not all(np.all(np.isfinite(numbers)) for numbers in expected):
        raise ValueError(f"{source}: expected finite outputs for random images, got NaN or infinity")
    save(network, output, preprocessing)
    found = _outputs(load_keras(output), images)
    if len(found) != len(expected) or not all(map(np.array_equal, found, expected)):
        remove_with_sidecar(output)
        raise ValueError(f"{output}: loaded again, it gave other numbers than {source}; it is removed")
    out = console()
    if report is not None:
        out.print(str(report), soft_wrap=True)
    out.print(f"{output}: {network.count_params():,} parameters, the same output when loaded", soft_wrap=True)


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def load_keras(path: Path) -> Any:
    """Load a whole model in safe mode."""
    from tensorflow import keras

    import fr_models.layers  # noqa: F401  registers them

    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except (OSError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: Keras cannot load it: {error}") from None


def _image_size(network: Any, source: Path) -> tuple[int, int]:
    """Return height and width of the images that a network takes, which preprocessing makes of 3 channels."""
    shape = network.input_shape
    if not isinstance(shape, tuple) or len(shape) != 4 or None in shape[1:] or shape[3] != 3:
        raise ValueError(f"{source}: expected images of a fixed size and 3 channels as input, found {shape}")
    return shape[1], shape[2]


def _outputs(network: Any, images: Any) -> list[Any]:
    import numpy as np
    import tensorflow as tf

    return [np.asarray(numbers) for numbers in tf.nest.flatten(network(images, training=False))]


def _network(source: Path, model: str | None, settings: dict[str, Any]) -> tuple[Any, Report | None]:
    from fr_models import create, from_onnx, load_weights

    if model is not None:
        network = create(model, **settings)
        return network, load_weights(network, source)
    if source.suffix == ".onnx":
        return from_onnx(source), None
    if source.suffix == ".keras":
        return load_keras(source), None
    raise ValueError(f"--model: needed for {source.suffix} files, which have weights and no network")
