"""Options and steps that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
from fr_eval.command_line import console, quiet_tensorflow
from fr_eval.errors import InputError

from fr_export._files import checked_keras_file
from fr_export._limits import LARGEST_SIZE
from fr_export.cli._console import warn
from fr_export.representative import check_source, representative_images

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fr_export._source import Source
    from fr_export.exported import Exported

Model = Annotated[Path, typer.Argument(help="The .keras file; its sidecar .json is read, too.")]
Uint8Input = Annotated[bool, typer.Option("--uint8-input", help="Wrap: pixels come as uint8.")]
Pixels = Annotated[
    bool, typer.Option("--pixels", help="Wrap: pixels from 0 to 255 come in, embeddings of length 1 out.")
]
Resize = Annotated[
    str | None, typer.Option("--resize", help="Wrap: images of this size, 160 or HEIGHTxWIDTH, or dynamic.")
]
Colour = Annotated[str | None, typer.Option("--colour", help="Wrap: pixels come as RGB or BGR.")]
FlipSum = Annotated[bool, typer.Option("--flip-sum", help="Wrap: add the embedding of the mirror image.")]
OutputType = Annotated[
    str | None,
    typer.Option("--output-dtype", help="Wrap: float32, int8 (x = code / 127), uint8 ((code - 128) / 127)."),
]
Representative = Annotated[
    Path | None,
    typer.Option("--representative", help="Images to calibrate on: a folder, a .bin or an embedding set."),
]
Images = Annotated[Path | None, typer.Option("--images", help="The folder of an embedding set's images.")]
Count = Annotated[int, typer.Option("--count", help="How many representative images, a seeded choice.")]


class Wrapping(NamedTuple):
    """The wrapper's options; a model is wrapped if one of them is given."""

    pixels: bool = False
    uint8_input: bool = False
    resize: str | None = None
    colour: str | None = None
    flip_sum: bool = False
    output_dtype: str | None = None


def opened(model: Path, wrapping: Wrapping) -> Source:
    """Load a model, and wrap it if a wrapper's option is given: TensorFlow is imported here."""
    resize = _size(wrapping.resize)
    checked_keras_file(model)
    quiet_tensorflow()
    from fr_export._source import open_source
    from fr_export.wrappers import wrap

    if wrapping == Wrapping():
        return open_source(model, None)
    wrapped = wrap(
        model,
        uint8_input=wrapping.uint8_input,
        resize=resize,
        colour=wrapping.colour or "RGB",
        flip_sum=wrapping.flip_sum,
        output_dtype=wrapping.output_dtype or "float32",
    )
    return open_source(wrapped, None)


def check_calibration(images: Path | None, folder: Path | None) -> None:
    """Refuse, before the work begins, what images cannot be read from, and the folder of no embedding set."""
    is_set = images is not None and images.suffix == ".npz"
    if is_set and folder is None:
        raise InputError(f"--images: missing, expected the folder of the images that {images} names")
    if folder is not None and not is_set:
        raise InputError(
            f"--images: {folder} belongs to an embedding set, expected --representative SET.npz, "
            f"got {images or 'none'}"
        )
    if images is not None:
        check_source(images)


def calibration(
    source: Source, images: Path | None, folder: Path | None, count: int
) -> NDArray[np.uint8] | None:
    """Read representative images of the size that the model's preprocessing says."""
    if images is None:
        return None
    return representative_images(images, source.preprocessing.size, count=count, folder=folder)


def report(exported: Exported) -> None:
    """Print what an export gave, on one line; a warning about it on standard error."""
    console().print(
        f"{exported.path}: {exported.kind}, {exported.size_bytes / 1e6:.3f} MB; cosine to the model over "
        f"{exported.n_images} images: mean {exported.mean_cosine:.6f}, min {exported.min_cosine:.6f}",
        soft_wrap=True,
    )
    if exported.warning:
        warn(exported.warning)


def _size(text: str | None) -> Any:
    """Parse ``160``, ``160x120`` (height, width) or ``dynamic``."""
    if text is None or text == "dynamic":
        return text
    sizes = [int(part) if part.isdecimal() and len(part) <= 9 else 0 for part in text.split("x")]
    if len(sizes) > 2 or not all(0 < size <= LARGEST_SIZE for size in sizes):
        raise InputError(
            f"--resize: expected dynamic, or a size such as 160 or 160x120, {LARGEST_SIZE} at most, "
            f"got {text!r}"
        )
    return sizes[0], sizes[-1]
