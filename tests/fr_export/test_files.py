"""A model and its sidecar: whenever a run is stopped, what is there belongs together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fr_eval import InputError
from fr_eval.embedders import Preprocessing, sidecar_of
from fr_export._files import check_writable, checked_path, finished

OLD = Preprocessing((32, 32), 1 / 128, 127.5, "RGB")
NEW = Preprocessing((32, 32), 1.0, 0.0, "BGR")

# Ends like a process that is killed, before the first, second, ... of all renamings.
KILLED = """
import os, sys
from itertools import count
from pathlib import Path
from fr_eval.embedders import Preprocessing
from fr_export._files import finished
from tests.fr_export.test_files import NEW, write

rename = Path.replace
for step in range(int(sys.argv[3])):
    child = os.fork()
    if child == 0:
        calls = count()
        def replace(path, target):
            if next(calls) == step:
                os._exit(9)
            return rename(path, target)
        Path.replace = replace
        with finished(Path(sys.argv[1]) / str(step) / sys.argv[2], NEW) as temporary:
            write(temporary, "new")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == (9 if step + 1 < int(sys.argv[3]) else 0)
"""


def write(path: Path, text: str) -> None:
    """Write a file, or a folder for a name without suffix."""
    if path.suffix != ".tflite":
        (path / "variables").mkdir(parents=True)
        path = path / "variables" / "data"
    path.write_text(text)


def read(path: Path) -> str:
    return (path if path.is_file() else path / "variables" / "data").read_text()


def export(path: Path, text: str, preprocessing: Preprocessing) -> None:
    with finished(path, preprocessing) as temporary:
        write(temporary, text)


@pytest.mark.parametrize(("name", "renamings"), [("net.tflite", 3), ("net_0.5", 4)])
def test_killed_at_every_renaming(tmp_path: Path, name: str, renamings: int) -> None:
    """Old with old or new with new; a folder may be away until the next export begins."""
    for step in range(renamings + 1):
        export(tmp_path / str(step) / name, "old", OLD)
    subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path, name, str(renamings + 1)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
    )
    found = []
    for step in range(renamings + 1):
        path = tmp_path / str(step) / name
        if path.exists():
            assert (read(path), Preprocessing.beside(path)) in [("old", OLD), ("new", NEW)]
        with pytest.raises(RuntimeError, match="no"), finished(path, OLD):
            raise RuntimeError("no")
        found.append(read(path))
        assert Preprocessing.beside(path) == (OLD if found[-1] == "old" else NEW)
        left = {file.name for file in path.parent.iterdir() if not file.match(".*json")}
        assert left == {name, sidecar_of(path).name}
        export(path, "newest", OLD)
        assert (read(path), Preprocessing.beside(path)) == ("newest", OLD)
    assert found == sorted(found, reverse=True) and set(found) == {"old", "new"}


def test_interrupted_between_two_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, rename = tmp_path / "net", Path.replace
    export(path, "old", OLD)

    def interrupted(source: Path, target: Path) -> Path:
        if source.name == ".writing.net":
            raise KeyboardInterrupt
        return rename(source, target)

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export(path, "new", OLD)
    assert read(path) == "old"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["net", "net.json"]


def test_a_sidecar_that_says_the_same_stays(tmp_path: Path) -> None:
    """So that what a training run wrote of its best model is not lost."""
    (tmp_path / "best.keras").touch()
    record = json.dumps({**OLD.to_fields(), "about": {"sha256": "0", "value": 0.99}})
    (tmp_path / "best.json").write_text(record)
    export(tmp_path / "best.tflite", "new", OLD)
    assert (tmp_path / "best.json").read_text() == record


@pytest.mark.parametrize("other", ["net.keras", "net.onnx", "net.h5", "net"])
def test_a_sidecar_that_another_model_needs(tmp_path: Path, other: str) -> None:
    """It is refused before the work, and nothing is changed."""
    model = tmp_path / other
    if not model.suffix:  # a SavedModel
        model.mkdir()
        model = model / "saved_model.pb"
    model.touch()
    (tmp_path / "net.json").write_text(json.dumps(OLD.to_fields()))
    message = rf"net.json: is the sidecar of {other}, too, and the preprocessing of net.tflite is another"
    with pytest.raises(InputError, match=message), finished(tmp_path / "net.tflite", NEW):
        pytest.fail("the work began")
    assert Preprocessing.read(tmp_path / "net.json") == OLD
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([other, "net.json"])


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    """Photographs of a phone need no sidecar."""
    (tmp_path / "phone").mkdir()
    export(tmp_path / "phone.tflite", "old", OLD)
    export(tmp_path / "phone.tflite", "new", NEW)
    assert Preprocessing.beside(tmp_path / "phone.tflite") == NEW


def test_a_record_that_waits_for_a_training_run(tmp_path: Path) -> None:
    """``best.next.json`` is its, and is left alone."""
    (tmp_path / "best.next.json").write_text("{}")
    export(tmp_path / "best", "new", NEW)
    assert (tmp_path / "best.next.json").read_text() == "{}"


def test_json_that_is_no_sidecar(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text('{"format": "layers-model"}')
    message = r"model.json: is there, and no sidecar that could be replaced: give model.tflite another name"
    with pytest.raises(InputError, match=message):
        export(tmp_path / "model.tflite", "new", NEW)


def test_its_own_sidecar_is_replaced(tmp_path: Path) -> None:
    export(tmp_path / "net.tflite", "old", OLD)
    export(tmp_path / "net.tflite", "new", NEW)
    assert Preprocessing.beside(tmp_path / "net.tflite") == NEW


def test_names_with_dots(tmp_path: Path) -> None:
    """Folders net_0.5 and net_0.25 have a sidecar each."""
    export(tmp_path / "net_0.5", "half", OLD)
    export(tmp_path / "net_0.25", "quarter", NEW)
    assert Preprocessing.beside(tmp_path / "net_0.5") == OLD
    assert Preprocessing.beside(tmp_path / "net_0.25") == NEW
    assert (tmp_path / "net_0.5.json").is_file()


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"net.lite: expected a file to write with the suffix .tflite"):
        checked_path("net.lite", ".tflite")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file: expected a folder to write to: File exists"):
        check_writable(tmp_path / "file")
