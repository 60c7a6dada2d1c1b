"""The models in ``models.csv``: what a list of them shows, without building one or importing TensorFlow.

``python -m fr_models._table`` writes the file anew: of models that have a row it keeps the counts, and builds
the others. Where a backbone has changed, delete its row first. Tests hold the rows to what is registered, and
the counts of some to their models.
"""

from __future__ import annotations

import csv
import functools
import importlib
import pkgutil
from dataclasses import asdict, dataclass, fields
from pathlib import Path

PATH = Path(__file__).with_name("models.csv")


@dataclass(frozen=True)
class Row:
    """A model.

    Attributes
    ----------
    name, module, summary, url : str
        As `create` takes it, its file of backbones, one line, and where it is published.
    parameters, multiply_adds : int
        Of the default form, for embeddings of 512 numbers, with statistics; of one image of 112 x 112.
    """

    name: str
    module: str
    summary: str
    url: str
    parameters: int
    multiply_adds: int


@functools.cache
def rows() -> dict[str, Row]:
    """Read all rows, by name."""
    with PATH.open(newline="", encoding="utf-8") as file:
        _, *lines = csv.reader(file)
    return {
        name: Row(name, module, summary, url, int(parameters), int(multiply_adds))
        for name, module, summary, url, parameters, multiply_adds in lines
    }


def from_code(known: dict[str, Row]) -> list[Row]:
    """Rows of all registered models; counts are those of known rows, else of the model, which is built."""
    from fr_models import backbones
    from fr_models._registry import registered

    for file in pkgutil.iter_modules(backbones.__path__, "fr_models.backbones."):
        importlib.import_module(file.name)
    made = []
    for name, (card, backbone) in sorted(registered().items()):
        module = backbone.__module__.rpartition(".")[2]
        row = known.get(name)
        parameters, multiply_adds = (row.parameters, row.multiply_adds) if row else _counts(name)
        made.append(Row(name, module, card.summary, card.paper.url, parameters, multiply_adds))
    return made


def _counts(name: str) -> tuple[int, int]:
    from tensorflow import keras

    from fr_models._cost import multiply_adds
    from fr_models._create import create

    model = create(name)
    counts = model.count_params(), multiply_adds(model)
    keras.backend.clear_session()
    return counts


def main() -> None:
    """Write the file."""
    made = from_code(rows() if PATH.is_file() else {})
    with PATH.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(asdict, made))


if __name__ == "__main__":
    main()
