"""The state of a run in one file, from which a killed run goes on.

A checkpoint is a ``.npz`` archive: arrays, and a record of everything else as JSON. It is one file so that
one rename makes it the checkpoint: until the new one is whole on the disk, the old one is there.

Variables are found by their place: the number and class of a layer among the model's, and the place of a
variable in it. Keras numbers layers as a process makes them, so that their names say nothing in the next one.
What a checkpoint holds and what the model wants must be the same in number, shape and dtype, or nothing is
restored. Matrices of which replicas share out the rows are written whole, and read by any number of replicas.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from fr_eval.files import replacing

from fr_models import _keras

__all__ = ["Part", "Variables", "parts_of", "read_record", "restore", "save"]

RECORD = "record.json"
FORMAT = 1


class Part(Protocol):
    """What owns variables: a Keras layer, or `Variables`."""

    def save_own_variables(self, store: Any) -> None:
        """Write each to ``store``, by its name in the part."""

    def load_own_variables(self, store: Any) -> None:
        """Read each from ``store``."""


class Variables:
    """Variables of no layer, by their places in a list.

    Parameters
    ----------
    variables : list of variables
        Of Keras or of TensorFlow.
    """

    def __init__(self, variables: list[Any]) -> None:
        self._variables = list(variables)

    def save_own_variables(self, store: Any) -> None:
        """Write each to ``store``."""
        for number, variable in enumerate(self._variables):
            store[f"{number:04d}"] = variable

    def load_own_variables(self, store: Any) -> None:
        """Read each from ``store``."""
        for number, variable in enumerate(self._variables):
            variable.assign(store[f"{number:04d}"])


def parts_of(model: Any, **others: list[Any]) -> dict[str, Part]:
    """Name everything of a compiled training model that a checkpoint must hold.

    Parameters
    ----------
    model : fr_losses.TrainingModel
        Layers with their weights and random states, the optimizer, the metrics of the epoch.
    **others : lists of variables
        Further ones, by a name for each list.

    Raises
    ------
    ValueError
        If the model has a variable that no layer writes.
    """
    parts: dict[str, Part] = {}
    kept: set[int] = set()
    for number, layer in enumerate(model._flatten_layers()):
        name = f"model/{number:04d}.{type(layer).__name__}"
        own, random = _keras.own_weights(layer), _keras.random_states(layer)
        store: dict[str, Any] = {}
        layer.save_own_variables(store)
        shards = {id(shard) for shard in getattr(layer, "shards", ())}  # of RowLayer: written whole
        if len(store) >= sum(id(weight) not in shards for weight in own):
            kept |= {*map(id, own), *shards}
        parts[name] = layer
        if random:
            parts[f"{name}.random"] = Variables(random)
            kept.update(map(id, random))
    metrics = [variable for metric in model.metrics for variable in metric.variables]
    kept.update(map(id, metrics))
    lost = [variable.name for variable in model.variables if id(variable) not in kept]
    if lost:
        raise ValueError(
            f"{model.name}: its layers write no {', '.join(lost)}: a run could not go on from that"
        )
    parts["metrics"] = Variables(metrics)
    parts[f"optimizer.{type(model.optimizer).__name__}"] = Variables(model.optimizer.variables)
    return parts | {name: Variables(variables) for name, variables in others.items()}


def save(path: Path, parts: Mapping[str, Part], record: Mapping[str, Any], write: bool = True) -> None:
    """Write a checkpoint, whole or not at all.

    Parameters
    ----------
    path : Path
        The ``.npz`` file.
    parts : mapping of str to Part
        As of `parts_of`.
    record : mapping
        JSON-ready values; numbers are read back bit for bit.
    write : bool
        Whether this process writes; the other workers of a strategy must read their variables with it.
    """
    if not write:
        for _ in _arrays(parts):
            pass
        return
    about = {"format": FORMAT, "keras": _keras.MAJOR, **record}
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        archive.writestr(RECORD, json.dumps(about, allow_nan=False))
        for name, array in _arrays(parts):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def read_record(path: Path) -> dict[str, Any]:
    """Read what a checkpoint says besides arrays.

    Raises
    ------
    ValueError
        If there is no such file, it is damaged, or of another version of Keras.
    """
    with _opened(path) as archive:
        if RECORD not in archive.namelist():
            raise ValueError(f"{path}: not a checkpoint of a run: it has no {RECORD}")
        with _undamaged(path):
            record: Any = json.loads(archive.read(RECORD))
    if not isinstance(record, dict):
        raise ValueError(f"{path}: {RECORD}: expected keys and values, got {type(record).__name__}")
    if record.get("format") != FORMAT:
        raise ValueError(f"{path}: a checkpoint of format {record.get('format')}, expected {FORMAT}")
    if record.get("keras") != _keras.MAJOR:
        raise ValueError(f"{path}: written by Keras {record.get('keras')}, this is Keras {_keras.MAJOR}")
    return record


def restore(path: Path, parts: Mapping[str, Part]) -> None:
    """Give the parts the values of a checkpoint: all of them, or, with an error, none.

    Raises
    ------
    ValueError
        If the file is damaged, or holds other arrays than the parts have: the first is named, with what was
        expected and what was found.
    """
    with _opened(path) as archive:
        with _undamaged(path):
            damaged = archive.testzip()
        if damaged is not None:
            raise ValueError(f"{path}: damaged at {damaged}")
        found = {name.removesuffix(".npy"): name for name in archive.namelist() if name != RECORD}
        wanted: set[str] = set()
        for name, array in _arrays(parts):
            wanted.add(name)
            if name not in found:
                raise ValueError(f"{path}: no {name}, which the model of the recipe has")
            with _undamaged(path):
                shape, dtype = _header(archive, found[name])
            if (shape, dtype) != (array.shape, array.dtype):
                raise ValueError(
                    f"{path}: {name}: expected {array.dtype} {array.shape}, found {dtype} {shape}"
                )
        if further := sorted(set(found) - wanted):
            raise ValueError(f"{path}: {further[0]}, which the model of the recipe does not have")
        for part_name, part in parts.items():
            part.load_own_variables(_Stored(archive, part_name))


class _Stored:
    """The arrays of a part, read from the archive one by one."""

    def __init__(self, archive: zipfile.ZipFile, part: str) -> None:
        self._archive, self._part = archive, part
        self._names = [name for name in archive.namelist() if name.rpartition("/")[0] == part]

    def __getitem__(self, name: str) -> np.ndarray:
        with self._archive.open(f"{self._part}/{name}.npy") as member:
            return np.lib.format.read_array(member, allow_pickle=False)

    def __len__(self) -> int:
        return len(self._names)

    def keys(self) -> list[str]:
        """Names of the arrays; Keras counts them."""
        return [name.rpartition("/")[2].removesuffix(".npy") for name in self._names]

    def __contains__(self, name: str) -> bool:
        return name in self.keys()


def _arrays(parts: Mapping[str, Part]) -> Iterator[tuple[str, np.ndarray]]:
    """Read the variables one by one, a copy of one at a time."""
    for part_name, part in parts.items():
        store: dict[str, Any] = {}
        part.save_own_variables(store)
        for name, value in store.items():
            yield f"{part_name}/{name}", np.asarray(value.numpy() if hasattr(value, "numpy") else value)


def _opened(path: Path) -> zipfile.ZipFile:
    if not path.exists():
        raise ValueError(f"{path}: no such file, expected the checkpoint of a run")
    with _undamaged(path):
        return zipfile.ZipFile(path)


@contextmanager
def _undamaged(path: Path) -> Iterator[None]:
    """Name the file where its bytes are not those that were written."""
    try:
        yield
    except Exception as error:  # zipfile raises whatever damaged headers spell
        if getattr(error, "filename", None):  # it cannot be opened
            raise
        raise ValueError(f"{path}: damaged: {' '.join(str(error).split())}") from None


def _header(archive: zipfile.ZipFile, name: str) -> tuple[tuple[int, ...], np.dtype]:
    with archive.open(name) as member:
        version = np.lib.format.read_magic(member)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, _, dtype = read(member)
    return shape, dtype
