"""What commands say of bad input, show of how far they are, and how quiet TensorFlow is."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import typer
from fr_eval.command_line import console, muted_standard_error, progress_bar
from fr_eval.command_line import run as run_commands
from fr_eval.errors import InputError, ParameterError
from fr_eval.tables import plain_table

QUIET = """
from fr_eval.command_line import quiet_tensorflow
quiet_tensorflow()
import sys
assert "tensorflow" in sys.modules
print("told", file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ParameterError("float_head", "expected int8"), "fr-x: --float-head: expected int8\n"),
        (InputError("net.keras: no such file"), "fr-x: net.keras: no such file\n"),
    ],
)
def test_parameters_are_told_as_options(
    error: InputError, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    app = typer.Typer()

    @app.command()
    def command() -> None:
        raise error

    monkeypatch.setattr(sys, "argv", ["fr-x"])
    with pytest.raises(SystemExit) as ended:
        run_commands(app, "fr-x", (InputError,))
    assert (ended.value.code, capsys.readouterr().err) == (2, line)


def test_progress_in_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    """A line a tenth, with the name of what begins; a second part of the work has lines of its own."""
    with progress_bar("sweep") as progress:
        for done in range(40):
            progress(done, 40, "a rather long name of a model" if done < 5 else "")
        progress(40, 40)
        progress(1, 1)
        progress(0, 3, "again")
    printed = capsys.readouterr()
    lines = printed.err.splitlines()
    assert printed.out == "" and lines[0] == "sweep: 0 of 40 a rather long name of a model"
    first, *others = lines[1:11]
    assert first == "sweep: 4 of 40 a rather long name of a model"
    assert others == [f"sweep: {done} of 40" for done in range(8, 44, 4)]
    assert lines[11:] == ["sweep: 1 of 1", "sweep: 0 of 3 again"]


NAMES = ["net[int8].tflite", "a[/b].tflite", "[red]x[/red]", ":smile:.onnx", "x]["]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_no_markup(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In lines, in tables and their titles, and in a log."""
    console().print(name)
    table = plain_table(name)
    table.add_column(name)
    table.add_row(name)
    console().print(table)
    with progress_bar(f"embed by {name}") as progress:
        progress(0, 10, name)
    printed = capsys.readouterr()
    assert printed.out.count(name) == 4
    assert printed.err == f"embed by {name}: 0 of 10 {name}\n"


@pytest.mark.parametrize("name", NAMES)
def test_names_are_no_markup_on_a_terminal(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    with progress_bar("embed by") as progress:
        progress(1, 2, name)
    assert f"embed by {name}" in capsys.readouterr().err


def test_what_cpp_writes_is_dropped(capfd: pytest.CaptureFixture[str]) -> None:
    with muted_standard_error():
        os.write(2, b"of a converter\n")
    os.write(2, b"of a command\n")
    assert capfd.readouterr().err == "of a command\n"


@pytest.mark.slow
def test_tensorflow_says_nothing() -> None:
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    done = subprocess.run(
        [sys.executable, "-c", QUIET], capture_output=True, text=True, env=environment, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "told\n")
