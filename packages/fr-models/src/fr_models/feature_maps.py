"""Which layers of a teacher and a student can be compared in distillation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from fr_models.weights._config_graph import topological
from fr_models.weights._our_layers import flat_layers, model_graph

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


def match_layers(teacher: Any, student: Any) -> pd.DataFrame:
    """List for each layer of a student the layer of a teacher whose output is most like its own.

    That is one of equal shape or, where no layer has it, one of a feature map of equal height and width. Of
    these it is one of the same class, if there is any, so that sums meet sums; and of these the one at the
    nearest place among the layers of one class and size of map: a stack's last sum meets a stack's last sum.

    Parameters
    ----------
    teacher, student : keras.Model
        Graphs of layers, for inputs of one size.

    Returns
    -------
    pandas.DataFrame
        A row a layer of the student, equal channels first, then by the difference in place: ``student``,
        ``teacher`` (names of layers), ``student_shape``, ``teacher_shape`` (without the batch),
        ``equal_channels``, ``student_depth``, ``teacher_depth`` (0 at the input, 1 at the end of the model),
        ``difference`` (of places: 0 for the first of a class and size, 1 for the last).

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

    theirs, rows = _outputs(teacher), []
    for ours in _outputs(student):
        fitting = [output for output in theirs if output.shape == ours.shape] or [
            output for output in theirs if len(ours.shape) == 3 and output.shape[:-1] == ours.shape[:-1]
        ]
        if not fitting:
            continue
        best = min(fitting, key=lambda output: (output.kind != ours.kind, abs(output.place - ours.place)))
        equal = best.shape == ours.shape
        difference = abs(best.place - ours.place)
        rows.append((ours.name, best.name, ours.shape, best.shape, equal, ours.depth, best.depth, difference))
    rows.sort(key=lambda row: (not row[4], row[7]))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _outputs(model: Any) -> list[_Output]:
    """Layers with one output, in order, with their shares of the longest way from input to end."""
    graph = model_graph(model)
    if graph is None:
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
