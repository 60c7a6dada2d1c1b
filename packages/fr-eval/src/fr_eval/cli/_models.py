"""Options and steps of the commands that run a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fr_eval.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from fr_eval.embedders import Embedder

Model = Annotated[Path, typer.Option("--model", help="Network: .onnx, .tflite or .keras.")]
Flip = Annotated[bool, typer.Option("--flip", help="Add the embedding of the mirror image.")]
Size = Annotated[int | None, typer.Option("--size", help="Crop size in pixels, if the model has no sidecar.")]
Scale = Annotated[float | None, typer.Option("--scale", help="input = (pixel - offset) * scale.")]
Offset = Annotated[float | None, typer.Option("--offset", help="input = (pixel - offset) * scale.")]
Colour = Annotated[str | None, typer.Option("--colour", help="RGB or BGR.")]


def open_embedder(
    model: Path, size: int | None, scale: float | None, offset: float | None, colour: str | None
) -> Embedder:
    """Load a network with the preprocessing of the options, or of its sidecar if none is given."""
    from fr_eval.embedders import Preprocessing, load_embedder

    given = {"--size": size, "--scale": scale, "--offset": offset, "--colour": colour}
    missing = [name for name, value in given.items() if value is None]
    if len(missing) == len(given):
        return load_embedder(model)
    if size is None or scale is None or offset is None or colour is None:
        raise InputError(f"preprocessing: {', '.join(missing)} missing, expected all four options or none")
    return load_embedder(model, Preprocessing((size, size), scale, offset, colour))


@contextmanager
def progress_bar(task: str) -> Iterator[Callable[[int, int], None]]:
    """Show progress on standard error: a bar with rate and time left on a terminal, lines in a log."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(console, task)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(show_speed=True),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task(task, total=None)

        def update(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total)

        yield update


def _lines(console: Console, task: str) -> Callable[[int, int], None]:
    """Return a callback that prints a line at every tenth of the work."""
    printed = -1

    def update(done: int, total: int) -> None:
        nonlocal printed
        tenth = 10 * done // total
        if tenth > printed:
            printed = tenth
            console.print(f"{task}: {done} of {total}", highlight=False)

    return update
