"""Which layers of a teacher and a student can be compared in distillation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from fr_models._checks import checked_model
from fr_models._graph import flat_layers, model_graph, topological
from fr_models._types import Model

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "student",
    "teacher",
    "student_shape",
    "teacher_shape",
    "equal_channels",
    "student_depth",
    "teacher_depth",
    "difference",
)


class _Output(NamedTuple):
    name: str
    kind: str
    shape: tuple[int, ...]
    depth: float
    place: float


def match_layers(teacher: Model, student: Model) -> pd.DataFrame:
    """Pair layers of a student with layers of a teacher whose outputs are most like their own, one to one.

    These are of equal shape or, for what is left then, feature maps of equal height and width. Of pairs
    those of one class come first, so that sums meet sums; of these the ones at the nearest places among the
    layers of one class and size of map, so that a stack's last sum meets a stack's last sum; then those at
    the nearest depths. Layers that are left without a partner are not in the table.

    Parameters
    ----------
    teacher, student : keras.Model
        Graphs of layers, for inputs of one size.

    Returns
    -------
    pandas.DataFrame
        A row a pair, equal channels first, then by the difference in depth: ``student``, ``teacher`` (names
        of layers), ``student_shape``, ``teacher_shape`` (without the batch), ``equal_channels``,
        ``student_depth``, ``teacher_depth`` (0 at the input, 1 at the end of the model), ``difference`` (of
        the depths).

    Raises
    ------
    ValueError
        If a model is no graph of layers with names of their own.

    Examples
    --------
    >>> from fr_models import create
    >>> table = match_layers(create("r34"), create("r18"))
    >>> table.teacher[table.student == "stack2_block2_add"].item()
    'stack2_block4_add'
    """
    import pandas as pd

    theirs, ours = _outputs(checked_model("teacher", teacher)), _outputs(checked_model("student", student))
    pairs = _pairs(theirs, ours, lambda output: output.shape)
    free_theirs = [output for output in theirs if output not in pairs.values()]
    free_ours = [output for output in ours if output not in pairs and len(output.shape) == 3]
    pairs |= _pairs(free_theirs, free_ours, lambda output: output.shape[:-1])
    rows = []
    for our, their in pairs.items():
        equal, difference = our.shape == their.shape, abs(our.depth - their.depth)
        rows.append((our.name, their.name, our.shape, their.shape, equal, our.depth, their.depth, difference))
    rows.sort(key=lambda row: (not row[4], row[7]))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _pairs(
    theirs: list[_Output], ours: list[_Output], group: Callable[[_Output], tuple[int, ...]]
) -> dict[_Output, _Output]:
    """Pair outputs within groups, the most alike first, each once."""
    by_group: dict[tuple[int, ...], list[_Output]] = {}
    for output in theirs:
        by_group.setdefault(group(output), []).append(output)
    candidates = [(our, their) for our in ours for their in by_group.get(group(our), [])]
    candidates.sort(key=lambda pair: _unlikeness(*pair))
    pairs: dict[_Output, _Output] = {}
    taken: set[_Output] = set()
    for our, their in candidates:
        if our not in pairs and their not in taken:
            pairs[our] = their
            taken.add(their)
    return pairs


def _unlikeness(one: _Output, other: _Output) -> tuple[bool, float, float]:
    return one.kind != other.kind, abs(one.place - other.place), abs(one.depth - other.depth)


def _outputs(model: Any) -> list[_Output]:
    """Layers with one output, in order, with their shares of the longest way from input to end."""
    graph = model_graph(model)
    if not graph or any(layer.name not in graph for layer in flat_layers(model)):
        raise ValueError(f"{model.name}: expected a graph of layers with names of their own")
    steps: dict[str, int] = {}
    for name in topological(graph):
        steps[name] = 1 + max((steps[source] for source in graph[name]), default=-1)
    layers = [layer for layer in flat_layers(model) if graph[layer.name] and hasattr(layer.output, "shape")]
    groups = {layer.name: (type(layer), layer.output.shape[1:-1]) for layer in layers}
    spans: dict[Any, list[int]] = {}
    for name, group in groups.items():
        spans.setdefault(group, []).append(steps[name])
    outputs = []
    for layer in layers:
        span = spans[groups[layer.name]]
        outputs.append(
            _Output(
                layer.name,
                type(layer).__name__,
                tuple(layer.output.shape[1:]),
                depth=steps[layer.name] / max(steps.values()),
                place=(steps[layer.name] - min(span)) / max(1, max(span) - min(span)),
            )
        )
    return outputs
