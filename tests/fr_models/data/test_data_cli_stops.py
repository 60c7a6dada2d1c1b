"""fr-data, stopped: one line says so, and what the same command goes on with."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from fr_models.data import open_dataset
from fr_models.data.convert import unfinished
from fr_models.data.folders import FolderDataset

from tests.commands import Run
from tests.fr_eval.faces import write_onnx

STOPS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]


@pytest.fixture
def stopped(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command that gets a signal at one of the images that it reads: fingerprints read all 18 first."""

    def call(number: int, at: int, *arguments: object) -> tuple[int, str, str]:
        reads = []
        read = FolderDataset.read

        def stopping(dataset: FolderDataset, index: int) -> bytes:
            reads.append(index)
            if len(reads) == at:
                os.kill(os.getpid(), number)
            return read(dataset, index)

        before = signal.getsignal(signal.SIGTERM)
        ignored = signal.signal(signal.SIGINT, signal.default_int_handler)  # by jobs in the background
        try:
            with monkeypatch.context() as patched:
                patched.setattr(FolderDataset, "read", stopping)
                answer = run(*arguments)
        finally:
            signal.signal(signal.SIGINT, ignored)
        assert signal.getsignal(signal.SIGTERM) is before
        return answer

    return call


@pytest.mark.parametrize(("number", "status"), STOPS)
def test_convert(stopped: Run, run: Run, number: int, status: int) -> None:
    arguments = ["convert", "faces", "-o", "x", "--to", "recordio"]
    code, out, err = stopped(number, 30, *arguments)
    line = "fr-data: interrupted; the same command goes on with x.partial"
    assert (code, out, err.splitlines()[-1]) == (status, "", line)
    assert sorted(path.name for path in Path().iterdir()) == ["faces", "x.partial", "x.partial.json"]
    code, _, err = run(*arguments)
    assert code == 0 and open_dataset("x").digest() == open_dataset("faces").digest(), err
    assert sorted(path.name for path in Path().iterdir()) == ["faces", "x"]


def test_convert_to_npz(stopped: Run, run: Run) -> None:
    """A list of files keeps nothing; records are written to files first, with which it goes on."""
    arguments = ["convert", "faces", "-o", "x.npz", "--to", "npz"]
    code, _, err = stopped(signal.SIGTERM, 9, *arguments)
    assert (code, err) == (143, "fr-data: interrupted\n")
    assert [path.name for path in Path().iterdir()] == ["faces"]
    assert unfinished(Path("x.npz"), "npz") == Path("x.partial")


@pytest.mark.parametrize(("number", "status"), STOPS)
def test_check(stopped: Run, run: Run, number: int, status: int) -> None:
    """What is finished lies beside the first output, wherever one is."""
    arguments = ["check", "faces", "--csv", "new/r.csv", "--json", "r.json"]
    code, out, err = stopped(number, 30, *arguments)
    line = "fr-data: interrupted; the same command goes on with new/faces.check.partial"
    assert (code, out, err.splitlines()[-1]) == (status, "", line)
    assert [path.name for path in Path().iterdir() if path.is_file()] == []
    assert run(*arguments)[0] == 0
    assert [path.name for path in Path("new").iterdir()] == ["r.csv"]


def test_check_without_outputs(stopped: Run) -> None:
    """Nothing is kept, so that it runs where nothing can be written."""
    code, _, err = stopped(signal.SIGTERM, 9, "check", "faces")
    assert code == 143 and err.splitlines()[-1] == "fr-data: interrupted"
    assert [path.name for path in Path().iterdir()] == ["faces"]


@pytest.mark.parametrize(("number", "status"), STOPS)
def test_distill(stopped: Run, run: Run, number: int, status: int) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    write_onnx(Path("net.onnx"))
    arguments = ["distill", "faces", "--model", "net.onnx", "-o", "t.npy"]
    code, out, err = stopped(number, 30, *arguments)
    line = "fr-data: interrupted; the same command goes on with t.npy.partial"
    assert (code, out, err.splitlines()[-1]) == (status, "", line)
    assert run(*arguments)[0] == 0
    assert sorted(path.name for path in Path().glob("t.*")) == ["t.json", "t.npy"]


@pytest.mark.parametrize(("number", "status"), STOPS)
def test_info(stopped: Run, number: int, status: int) -> None:
    code, out, err = stopped(number, 9, "info", "faces", "--digest")
    assert (code, out, err) == (status, "", "fr-data: interrupted\n")
