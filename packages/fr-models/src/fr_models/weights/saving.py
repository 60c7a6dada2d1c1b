"""A model as a file that embedders can use."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from fr_eval.embedders import Preprocessing
from fr_eval.model_files import written_with_sidecar

from fr_models._checks import checked_model
from fr_models._types import Model


def save(model: Model, path: str | Path, preprocessing: Preprocessing) -> None:
    """Write ``MODEL.keras``, and ``MODEL.json`` with the preprocessing beside it.

    Whenever it is killed, the model there has its own preprocessing.

    Parameters
    ----------
    model : keras.Model
        What to write.
    path : str or Path
        Where to, with the suffix ``.keras``.
    preprocessing : Preprocessing
        What `fr_eval.embedders.load_embedder` will do to pixels before the first layer.

    Raises
    ------
    ValueError
        If the suffix is another one, the model takes images of another size, or another model needs a
        sidecar of that name with other preprocessing.
    """
    checked_model("model", model)
    if not isinstance(path, str | PathLike):
        raise ValueError(f"path: expected a path, got {path!r}")
    if not isinstance(preprocessing, Preprocessing):
        raise ValueError(f"preprocessing: expected a Preprocessing, got {preprocessing!r}")
    path = Path(path)
    if path.suffix != ".keras":
        raise ValueError(f"{path}: expected the suffix .keras")
    size = tuple(model.input_shape[1:3])
    if any(n not in (None, wanted) for n, wanted in zip(size, preprocessing.size, strict=True)):
        raise ValueError(
            f"{path}: expected preprocessing for {size[0]}x{size[1]} pixels, got {preprocessing.size}"
        )
    with written_with_sidecar(path, preprocessing) as temporary:
        model.save(temporary)
