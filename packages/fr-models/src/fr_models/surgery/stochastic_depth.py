"""Stochastic depth in the branches of a residual network, and out of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
from tensorflow import keras

from fr_models._checks import is_number
from fr_models._types import Model
from fr_models.layers.stochastic_depth import StochasticDepth
from fr_models.surgery._calls import Layer, call_counts, graph, is_model, layers
from fr_models.surgery._rebuild import Copies, Laid, rebuild


def add_stochastic_depth(model: Model, survival: tuple[float, float] = (1.0, 0.8)) -> Model:
    """Let training leave residual branches out, the deeper the oftener; what was set before goes.

    A residual `keras.layers.Add` has two inputs of one shape, and its branch is the one that more layers lie
    before; an Add whose inputs are equally deep is none. Survival falls linearly from the input's to the last
    branch's: that of branch ``l`` of ``L`` is ``first + l / L (last - first)``.

    Parameters
    ----------
    model : keras.Model
        A functional one.
    survival : tuple of float
        Of the input, which no branch has, and of the last branch, each in (0, 1].

    Returns
    -------
    keras.Model
        With a `fr_models.layers.StochasticDepth`, ``<name of the Add>_survival``, at the end of each branch.
        In inference the outputs are the same; in training a branch that stays is divided by its survival.

    Raises
    ------
    ValueError
        If a survival is not in (0, 1], or the model has no residual Add.

    References
    ----------
    Huang et al., "Deep Networks with Stochastic Depth", ECCV 2016, section 3: the linear decay.

    Examples
    --------
    >>> from fr_models import create
    >>> add_stochastic_depth(create("r18")).get_layer("stack4_block2_add_survival").survival
    0.8
    """
    pair = isinstance(survival, tuple | list) and len(survival) == 2
    if not pair or not all(is_number(share) and 0.0 < share <= 1.0 for share in survival):
        raise ValueError(
            f"survival: expected two probabilities in (0, 1], of input and end, got {survival!r}"
        )
    if any(isinstance(layer, StochasticDepth) for layer in layers(model)):
        model = remove_stochastic_depth(model)
    branches = _branches(model)
    if not branches:
        raise ValueError(f"{model.name}: has no residual Add, of two inputs of one shape and unlike depth")
    first, last = survival
    shares = {
        add: first * (1 - number / len(branches)) + last * number / len(branches)
        for number, add in enumerate(branches, start=1)
    }

    def change(layer: Layer, copies: Copies) -> Laid | None:
        if id(layer) not in branches:
            return None
        name = copies.name(f"{layer.name}_survival")
        drop = copies.fresh(StochasticDepth(shares[id(layer)]), layer, name)
        add, branch = copies.copy(layer), branches[id(layer)]
        return lambda inputs, **kwargs: add(
            [drop(x) if place == branch else x for place, x in enumerate(inputs)], **kwargs
        )

    return rebuild(model, change)


def remove_stochastic_depth(model: Model) -> Model:
    """Take every `fr_models.layers.StochasticDepth` out; a model without any is copied, as it is already so.

    Examples
    --------
    >>> from fr_models import create
    >>> model = create("r18")
    >>> again = remove_stochastic_depth(add_stochastic_depth(model))
    >>> [layer.name for layer in again.layers] == [layer.name for layer in model.layers]
    True
    """

    def change(layer: Layer, copies: Copies) -> Laid | None:
        return copies.nothing(layer) if isinstance(layer, StochasticDepth) else None

    return rebuild(model, change)


def _branches(model: Any) -> dict[int, int]:
    """Which input of each residual Add, by the layer's identity, is the branch; in order of depth."""
    branches: dict[int, int] = {}
    _add_branches(model, (), call_counts(model), branches)
    return branches


def _add_branches(
    model: Any, entered: Sequence[int], counts: Mapping[int, int], branches: dict[int, int]
) -> list[int]:
    """Add those of a model whose inputs lie at these depths, and of nested ones; return depths of outputs."""
    part = graph(model)
    depths = {id(x): depth for x, depth in zip(tf.nest.flatten(part.inputs), entered, strict=False)}
    for call in part.calls:
        sources = part.sources(call)
        before = [depths[id(source)] for source in sources]
        if is_model(call.layer):
            after = _add_branches(call.layer, before, counts, branches)
        else:
            after = [1 + max(before, default=0)] * len(call.outputs)
        for output, depth in zip(call.outputs, after, strict=True):
            depths.setdefault(id(output), depth)
        if type(call.layer) is keras.layers.Add and counts[id(call.layer)] == 1 and len(sources) == 2:
            first, second = before
            if first != second and sources[0].shape == sources[1].shape:
                branches.setdefault(id(call.layer), int(second > first))
    return [depths[id(output)] for output in tf.nest.flatten(part.outputs)]
