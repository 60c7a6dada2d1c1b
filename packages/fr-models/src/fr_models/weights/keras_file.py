"""Weights in files of Keras 2 and Keras 3: ``.keras``, ``.h5`` and ``.weights.h5``.

The HDF5 is read as it is, and a config as JSON for names, classes and the graph: nothing of a file is run.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from fr_models._graph import MODELS, every_layer, layer_graph
from fr_models.weights._kinds import ROLE_OF, ROLES, kind_of, snake
from fr_models.weights._records import File, FileLayer, connect, set_settings

Config = dict[str, Any]


def read_keras(path: Path) -> File:
    """Read the layers of a file.

    Raises
    ------
    ValueError
        If it is none of Keras.
    """
    try:
        if path.suffix == ".keras":
            with zipfile.ZipFile(path) as archive:
                config, is_numbered = json.loads(archive.read("config.json"))["config"], False
                with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
                    layers = list(_numbered(file, config))
        else:
            with h5py.File(path) as file:
                config, layers = _of_h5(file, str(path))
                is_numbered = "layers" in file and not _has_names(file["layers"])
    except (OSError, KeyError, zipfile.BadZipFile, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: expected a file of Keras: {' '.join(str(error).split())}") from None
    graph = None if config is None else layer_graph(config)
    if graph is None:
        return File(str(path), layers, is_numbered=is_numbered)
    positions: dict[str, list[int]] = {}
    for position, layer in enumerate(layers):
        name = layer.name if layer.name in graph else layer.name.split("/")[0]
        positions.setdefault(name, []).append(position)
    connect(layers, graph, positions)
    if set(positions) <= set(graph):
        set_settings(layers, config, graph, positions, {})
    return File(str(path), layers, has_graph=set(positions) <= set(graph))


def _has_names(layers: Any) -> bool:
    return any("name" in layers[group].get("vars", layers).attrs for group in layers)


def _of_h5(file: Any, path: str) -> tuple[Config | None, list[FileLayer]]:
    """Layers of an ``.h5``: of a whole model, of its weights by name, or numbered as in ``.keras``."""
    config = json.loads(file.attrs["model_config"])["config"] if "model_config" in file.attrs else None
    if isinstance(config, list):  # a Sequential model of old
        config = {"layers": config}
    root = file.get("model_weights", file)
    if "layer_names" in root.attrs or "layer_names0" in root.attrs:
        return config, list(_named(root, config))
    if "layers" in file:
        return None, list(_numbered(file, None))
    raise ValueError(f"{path}: expected layers of Keras, found {', '.join(file) or 'nothing'}")


def _named(root: Any, config: Config | None) -> Iterator[FileLayer]:
    """Layers of a file whose tensors have names, such as ``stem_bn/gamma:0``."""
    known = {name: (class_name, settings) for name, class_name, settings in every_layer(config or {})}
    for group_name in _strings(root, "layer_names"):
        group = root[group_name]
        by_layer: dict[str, dict[str, str]] = {}
        for name in _strings(group, "weight_names"):
            layer, _, tensor = name.rpartition("/")
            by_layer.setdefault(layer or group_name, {})[tensor.split(":")[0]] = name
        is_model = known.get(group_name, ("", {}))[0] in MODELS
        if len(by_layer) == 1 and not is_model and "/" not in next(iter(by_layer)):
            by_layer = {group_name: next(iter(by_layer.values()))}
        for layer, names in by_layer.items():
            class_name, settings = known.get(layer, ("", {}))
            kind = "inner" if "/" in layer and layer not in known else kind_of(class_name, names)
            is_known = {ROLE_OF.get(tensor) for tensor in names} <= set(ROLES.get(kind, ()))
            roles = [ROLE_OF[tensor] if is_known else str(number) for number, tensor in enumerate(names)]
            yield FileLayer(
                name=layer,
                kind=kind,
                tensors={r: np.asarray(group[n]) for r, n in zip(roles, names.values(), strict=True)},
                names=dict(zip(roles, (name.split(":")[0] for name in names.values()), strict=True)),
                epsilon=settings.get("epsilon"),
            )


def _strings(group: Any, attribute: str) -> list[str]:
    """Return a list of names; Keras splits long ones."""
    values = list(group.attrs.get(attribute, []))
    part = 0
    while f"{attribute}{part}" in group.attrs:
        values += list(group.attrs[f"{attribute}{part}"])
        part += 1
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values]


def _numbered(group: Any, config: Config | None, prefix: str = "") -> Iterator[FileLayer]:
    """Yield layers of a model's group, where classes and numbers are the names of layers and tensors."""
    layers = group["layers"]
    known = {} if config is None else _group_names(config)
    order = list(known) if known else sorted(layers, key=_class_and_number)
    for group_name in order:
        layer = known.get(group_name, {})
        if group_name not in layers:
            continue
        inside = layers[group_name]
        name = layer.get("name") or inside.get("vars", inside).attrs.get("name") or f"{prefix}{group_name}"
        if "layers" in inside:
            yield from _numbered(inside, layer.get("config"), f"{prefix}{group_name}/")
        else:
            yield from _parts(inside, str(name), group_name, layer)


def _group_names(config: Config) -> dict[str, Config]:
    """Layers of a config by the names of their groups: class and number, in the config's order."""
    counts: dict[str, int] = {}
    names = {}
    for layer in config["layers"]:
        name = snake(layer["class_name"])
        number = counts[name] = counts.get(name, -1) + 1
        known = {**layer, "name": layer.get("name") or layer["config"].get("name")}
        names[f"{name}_{number}" if number else name] = known
    return names


def _class_and_number(name: str) -> tuple[str, int]:
    start, _, number = name.rpartition("_")
    return (start, int(number)) if number.isdigit() else (name, 0)


def _parts(group: Any, name: str, group_name: str, layer: Config) -> Iterator[FileLayer]:
    """Yield a layer and those inside of it."""
    tensors = (
        [np.asarray(group["vars"][str(n)]) for n in range(len(group["vars"]))] if "vars" in group else []
    )
    if tensors:
        roles = _roles(tensors, name, group_name, layer)
        kind = roles.pop("kind")
        yield FileLayer(
            name=name,
            kind=kind,
            tensors={roles[str(n)]: tensor for n, tensor in enumerate(tensors)},
            names={roles[str(n)]: f"{name}/{roles[str(n)]}" for n in range(len(tensors))},
            epsilon=layer.get("config", {}).get("epsilon"),
        )
    for part in group:
        if part != "vars" and isinstance(group[part], h5py.Group):
            yield from _parts(group[part], f"{name}/{part.lstrip('_')}", part, {})


def _roles(tensors: list[Any], name: str, group_name: str, layer: Config) -> dict[str, str]:
    """Kind, and roles by number, of tensors that have no names, by the layer's class."""
    class_name = snake(layer.get("class_name", "")) or _class_and_number(group_name)[0]
    numbers = {str(number): str(number) for number in range(len(tensors))}
    if "/" in name and "class_name" not in layer:  # layers of keras.applications have such names, too
        return {"kind": "inner", **numbers}
    kind = kind_of(class_name)
    roles = list(ROLES.get(kind, ()))
    if kind == "bn":
        settings = layer.get("config", {})
        has = {"gamma": settings.get("scale", True), "beta": settings.get("center", True)}
        roles = [role for role in roles if has.get(role, True)]
    if kind in ("conv", "depthwise"):
        roles = roles[: len(tensors)]
    if len(roles) != len(tensors):
        return {"kind": kind, **numbers}
    return {"kind": kind, **dict(zip(numbers, roles, strict=True))}
