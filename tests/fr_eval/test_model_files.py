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
from fr_eval.model_files import check_writable, remove_with_sidecar, written_with_sidecar
from fr_eval.provenance import sha256_of

OLD = Preprocessing((32, 32), 1 / 128, 127.5, "RGB")
NEW = Preprocessing((32, 32), 1.0, 0.0, "BGR")

# Ends like a process that is killed, before the first, second, ... of all renamings.
KILLED = """
import os, sys
from itertools import count
from pathlib import Path
from fr_eval.embedders import Preprocessing
from fr_eval.model_files import written_with_sidecar
from tests.fr_eval.test_model_files import NEW, write

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
        with written_with_sidecar(Path(sys.argv[1]) / str(step) / sys.argv[2], NEW) as temporary:
            write(temporary, "new")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == (9 if step + 1 < int(sys.argv[3]) else 0)
"""


def write(path: Path, text: str) -> None:
    """Write a file, or a folder for a name without suffix."""
    if path.suffix != ".tflite":
        (path / "variables").mkdir(parents=True)
        (path / "saved_model.pb").touch()
        path = path / "variables" / "data"
    path.write_text(text)


def read(path: Path) -> str:
    return (path if path.is_file() else path / "variables" / "data").read_text()


def export(path: Path, text: str, preprocessing: Preprocessing) -> None:
    with written_with_sidecar(path, preprocessing) as temporary:
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
        with pytest.raises(RuntimeError, match="no"), written_with_sidecar(path, OLD):
            raise RuntimeError("no")
        found.append(read(path))
        assert Preprocessing.beside(path) == (OLD if found[-1] == "old" else NEW)
        left = {file.name for file in path.parent.iterdir() if not file.match(".*json")}
        assert left == {name, sidecar_of(path).name}
        export(path, "newest", OLD)
        assert (read(path), Preprocessing.beside(path)) == ("newest", OLD)
    assert found == sorted(found, reverse=True) and set(found) == {"old", "new"}


def export_to_a_full_disk(path: Path) -> None:
    with written_with_sidecar(path, NEW) as temporary:
        temporary.symlink_to("/dev/full")
        temporary.write_text("new")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full, the disk that is always full")
def test_full_disk(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    export(path, "old", OLD)
    with pytest.raises(OSError, match="No space left") as caught:
        export_to_a_full_disk(path)
    assert caught.value.filename == str(path)
    assert (read(path), Preprocessing.beside(path)) == ("old", OLD)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["net.json", "net.tflite"]


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


def test_what_a_sidecar_tells_besides(tmp_path: Path) -> None:
    """It is of one model: a new one brings its own, or none."""
    path, sidecar = tmp_path / "net.tflite", tmp_path / "net.json"
    for epoch in (1, 2):
        with written_with_sidecar(path, OLD, {"epoch": epoch}) as temporary:
            temporary.write_text(f"model of {epoch}")
        about = json.loads(sidecar.read_text())["about"]
        assert about == {"epoch": epoch, "sha256": sha256_of(path)}
        assert Preprocessing.beside(path) == OLD
    export(path, "another", OLD)
    assert json.loads(sidecar.read_text()) == OLD.to_fields()


def test_killed_before_what_a_sidecar_tells_besides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, rename = tmp_path / "net.tflite", Path.replace
    export(path, "old", OLD)

    def killed(source: Path, target: Path) -> Path:
        if Path(target).name == "net.json":
            raise KeyboardInterrupt
        return rename(source, target)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt), written_with_sidecar(path, NEW, {"epoch": 2}) as temporary:
        temporary.write_text("new")
    monkeypatch.undo()
    assert (read(path), Preprocessing.beside(path)) == ("new", NEW)
    with pytest.raises(RuntimeError, match="no"), written_with_sidecar(path, OLD):
        raise RuntimeError("no")
    assert json.loads((tmp_path / "net.json").read_text())["about"]["epoch"] == 2


def test_removed_with_a_sidecar_that_no_other_model_needs(tmp_path: Path) -> None:
    for name in ("net.tflite", "net.onnx"):
        with written_with_sidecar(tmp_path / name, OLD) as temporary:
            temporary.write_text("model")
    remove_with_sidecar(tmp_path / "net.tflite")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["net.json", "net.onnx"]
    remove_with_sidecar(tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


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
    with pytest.raises(InputError, match=message), written_with_sidecar(tmp_path / "net.tflite", NEW):
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


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tx.keras", "tx.keras: is a folder, expected the name of a .keras file to write"),
        ("tx.tflite", "tx.tflite: is a folder, expected the name of a .tflite file to write"),
        ("tx", "tx: is there, and no SavedModel that could be replaced"),
    ],
)
def test_a_folder_of_other_things_stays(tmp_path: Path, name: str, message: str) -> None:
    """It is refused before the work, with all that is in it."""
    (tmp_path / name).mkdir()
    (tmp_path / name / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match=message), written_with_sidecar(tmp_path / name, NEW):
        pytest.fail("the work began")
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == [name, f"{name}/thesis.tex"]
    assert (tmp_path / name / "thesis.tex").read_text() == "years of work"


def test_a_file_stays_where_a_folder_belongs(tmp_path: Path) -> None:
    (tmp_path / "net").write_text("notes")
    with pytest.raises(InputError, match="net: is there, and no SavedModel"):
        export(tmp_path / "net", "new", NEW)
    assert [path.name for path in tmp_path.iterdir()] == ["net"] and (tmp_path / "net").read_text() == "notes"


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


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file: expected a folder to write to: File exists"):
        check_writable(tmp_path / "file")
