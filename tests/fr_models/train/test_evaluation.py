"""Evaluations while training give the figures of fr-eval's command line; the sets of a recipe."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fr_eval import InputError
from fr_eval.embedders import Preprocessing
from fr_eval.protocols.bins import write_bin
from fr_models.train.evaluation import BinPairs, Evaluation, FolderPairs, IjbSet, ListedPairs
from fr_models.train.evaluation_sets import evaluations_of
from fr_models.train.recipe import Recipe
from numpy.typing import NDArray
from PIL import Image

from tests.fr_eval.faces import write_faces, write_lfw_pairs
from tests.fr_eval.ijb_files import write_layout
from tests.fr_models.train import _runs


def embedder(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Rows of pixels as seen by a fixed random matrix."""
    matrix = np.random.default_rng(0).normal(size=(8 * 8 * 3, 24))
    small = images[:, ::4, ::4].reshape(len(images), -1).astype(np.float64) - 127.5
    return (small @ matrix).astype(np.float32)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with ``faces``, the list ``plain.txt`` of pairs, one kind after the other in turn, and a bin."""
    folder = tmp_path_factory.mktemp("sets")
    _runs.write_faces(folder / "faces")
    people = range(_runs.PEOPLE)
    pairs = []
    for first, second in ((0, 1), (2, 3), (0, 2)):
        pairs += [
            pair
            for person in people
            for pair in (
                (1, f"n{person}/{first}.png", f"n{person}/{second}.png"),
                (0, f"n{person}/{first}.png", f"n{(person + 1 + first) % _runs.PEOPLE}/{second}.png"),
            )
        ]
    (folder / "plain.txt").write_text("".join(f"{same} {a} {b}\n" for same, a, b in pairs))
    images = [(folder / "faces" / name).read_bytes() for _, a, b in pairs for name in (a, b)]
    write_bin(folder / "pairs.bin", images, [same for same, _, _ in pairs])
    return folder


def command(folder: Path, *arguments: object) -> dict[str, Any]:
    """What ``fr-eval`` writes as JSON."""
    out = folder / "figures.json"
    line = [sys.executable, "-m", "fr_eval.cli", *map(str, arguments), "--json", str(out)]
    done = subprocess.run(line, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
    figures: dict[str, Any] = json.loads(out.read_text())
    return figures


def test_pairs_and_bins_as_the_command_line(faces: Path, tmp_path: Path) -> None:
    listed = ListedPairs("lfw", False, faces / "plain.txt", faces / "faces").measure(embedder)
    packed = BinPairs("bin", False, faces / "pairs.bin").measure(embedder)
    assert packed == listed
    from fr_eval.embeddings import EmbeddingSet
    from fr_eval.images import read_image
    from fr_eval.protocols.folders import ImageFolder

    images = ImageFolder.read(faces / "faces")
    rows = embedder(np.stack([read_image(faces / "faces" / name) for name in images.names]))
    EmbeddingSet(rows, np.array(images.names), images.labels).save(tmp_path / "set.npz")
    said = command(tmp_path, "verify", "--embeddings", tmp_path / "set.npz", "--pairs", faces / "plain.txt")
    assert listed["auc"] == said["auc"] and listed["eer"] == said["eer"]["value"]
    assert listed["accuracy"] == said["accuracy_10fold"]["mean"]
    assert listed["accuracy_std"] == said["accuracy_10fold"]["std"]
    best = said["max_accuracy"]
    assert (listed["max_accuracy"], listed["threshold"]) == (best["value"], best["threshold"])
    by_far = {point["far"]: point["tar"] for point in said["tar_at_far"]}
    assert {far: listed[f"tar@{far:g}"] for far in (1e-2, 1e-3, 1e-4)} == {
        far: by_far[far] for far in (1e-2, 1e-3, 1e-4)
    }
    assert 0.5 < listed["auc"] < 1.0


def test_flip_changes_figures(faces: Path) -> None:
    plain = BinPairs("bin", False, faces / "pairs.bin").measure(embedder)
    flipped = BinPairs("bin", True, faces / "pairs.bin").measure(embedder)
    assert plain["auc"] != flipped["auc"]


def test_a_set_is_read_once(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fr_eval.protocols.bins import BinSet, read_bin

    reads: list[Path] = []

    def read(path: Path) -> BinSet:
        reads.append(path)
        return read_bin(path)

    monkeypatch.setattr("fr_models.train.evaluation.read_bin", read)
    evaluation = BinPairs("bin", False, faces / "pairs.bin")
    assert evaluation.measure(embedder) == evaluation.measure(embedder)
    assert reads == [faces / "pairs.bin"]


def test_folds_of_the_list(faces: Path, tmp_path: Path) -> None:
    write_lfw_pairs(tmp_path / "pairs.txt")
    write_faces(tmp_path / "faces")
    figures = ListedPairs("lfw", False, tmp_path / "pairs.txt", tmp_path / "faces").measure(embedder)
    assert 0.0 <= figures["accuracy"] <= 1.0
    (tmp_path / "sorted.txt").write_text("".join(sorted((faces / "plain.txt").read_text().splitlines(True))))
    without = ListedPairs("lfw", False, tmp_path / "sorted.txt", faces / "faces").measure(embedder)
    assert "accuracy" not in without and "max_accuracy" in without


def test_some_folds_of_the_list(tmp_path: Path) -> None:
    """As a list of these folds alone; a fold that is not there is found before training."""
    write_lfw_pairs(tmp_path / "pairs.txt")
    write_faces(tmp_path / "faces")
    _, *lines = (tmp_path / "pairs.txt").read_text().splitlines()
    (tmp_path / "last.txt").write_text("\n".join(["2\t2", *lines[4:]]) + "\n")
    folder = str(tmp_path / "faces")
    sets = {
        "some": {"path": str(tmp_path / "pairs.txt"), "images": folder, "folds": [2, 3]},
        "last": {"path": str(tmp_path / "last.txt"), "images": folder},
        "none": {"path": str(tmp_path / "pairs.txt"), "images": folder, "folds": [4]},
    }
    some, last, none = evaluations_of(recipe(sets=sets))
    assert some.measure(embedder) == last.measure(embedder)
    with pytest.raises(InputError, match=r"evaluate\.sets\.none: folds: expected numbers from 1 to 3, got 4"):
        none.check()


def test_images_of_another_size(faces: Path) -> None:
    """They are resized as those of the training are: as Pillow does."""
    seen: list[NDArray[np.uint8]] = []

    class Small:
        preprocessing = Preprocessing((14, 18), 1.0, 0.0, "RGB")

        def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
            seen.append(images)
            return images.reshape(len(images), -1).astype(np.float32)

    figures = FolderPairs("all", False, faces / "faces").measure(Small())
    assert figures.keys() == set(FolderPairs.figures)
    paths = sorted((faces / "faces").glob("*/*.png"))
    small = [Image.open(path).resize((18, 14), Image.Resampling.BILINEAR) for path in paths]
    difference = np.stack(small).astype(int) - seen[-1]
    assert seen[-1].shape == (len(paths), 14, 18, 3) and np.abs(difference).max() <= 1


def test_folder_of_people(faces: Path) -> None:
    """Against all pairs, one by one, in float64."""
    figures = FolderPairs("all", False, faces / "faces").measure(embedder)
    from fr_eval.images import read_image
    from fr_eval.protocols.folders import ImageFolder

    images = ImageFolder.read(faces / "faces")
    rows = embedder(np.stack([read_image(faces / "faces" / name) for name in images.names])).astype(
        np.float64
    )
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    first, second = np.triu_indices(len(rows), 1)
    scores = (rows[first] * rows[second]).sum(1).astype(np.float32)
    same = images.labels[first] == images.labels[second]
    for far in (1e-2, 1e-3):
        allowed = int(far * (~same).sum())
        highest = np.sort(scores[~same])[::-1]
        threshold = highest[allowed - 1] if allowed else np.nextafter(highest[0], np.float32(2))
        assert figures[f"tar@{far:g}"] == pytest.approx((scores[same] >= threshold).mean())


def test_ijb_layout_of_lfw(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real meta files, both tasks; the embedder looks up embeddings that a real network gave."""
    layout = shared_data / "protocols" / "lfw_ijb"
    reference = json.loads((layout / "reference_results.json").read_text())
    with np.load(shared_data / "embeddings" / "lfw_mobilefacenet192.npz") as stored:
        row_of = {
            Path(str(name)).name: row
            for name, row in zip(stored["filenames"], stored["embeddings"], strict=True)
        }
    names = [line.split()[0] for line in (layout / "lfw_face_tid_mid.txt").read_text().splitlines()]
    rows = np.stack([row_of[Path(name).name] for name in names])

    class Stored(IjbSet):
        def _embedded(self, *_: Any) -> NDArray[np.float32]:
            return rows

    found = Stored("ijb", False, layout, "lfw", layout, True)
    monkeypatch.setattr("fr_models.train.evaluation.ImageSource.of_files", lambda *_: None)
    figures = found.measure(embedder)
    assert figures["auc"] == pytest.approx(reference["1:1"]["auc"], abs=2e-3)
    assert figures["tar@0.001"] == pytest.approx(reference["1:1"]["tar_1e3"], abs=0.02)
    expected = (reference["1:N G1"]["rank1"] + reference["1:N G2"]["rank1"]) / 2
    assert figures["rank1"] == pytest.approx(expected, abs=0.01)
    assert tuple(figures) == IjbSet.figures


def recipe(**evaluate: Any) -> Recipe:
    return Recipe.from_dict(
        {"model": {"name": "r18"}, "stages": [{"epochs": 1, "loss": "ArcFace"}], "evaluate": evaluate}
    )


def test_sets_of_a_recipe(faces: Path) -> None:
    sets = {
        "bin": str(faces / "pairs.bin"),
        "folder": {"path": str(faces / "faces")},
        "listed": {"path": str(faces / "plain.txt"), "images": str(faces / "faces")},
    }
    found = evaluations_of(recipe(sets=sets, flip=False))
    assert [type(one) for one in found] == [BinPairs, FolderPairs, ListedPairs]
    assert [one.name for one in found] == list(sets)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("nothing.bin", r"evaluate\.sets\.x\.path: expected a file, there is none at nothing\.bin"),
        ({"kind": "bun", "path": "a.bin"}, r"evaluate\.sets\.x\.kind: expected one of bin, .*, got 'bun'"),
        ("/no/folder", r"evaluate\.sets\.x\.path: expected a file or a folder, there is none at /no/folder$"),
        ({"path": "/no/x", "kind": "folder"}, r"x\.path: expected a folder, there is none at /no/x$"),
        (
            {"path": "/no/x", "kind": "pairs", "images": "."},
            r"x\.path: expected a file, there is none at /no/x$",
        ),
        ({"path": __file__, "image": "f"}, r"evaluate\.sets\.x\.image: no such key, did you mean images\?"),
        ({"path": __file__}, r"evaluate\.sets\.x\.images: missing"),
        ({"path": ".", "kind": "ijb"}, r"evaluate\.sets\.x\.prefix: missing"),
        (3, r"evaluate\.sets\.x: expected a path, or a mapping with the key 'path', got 3"),
    ],
)
def test_bad_sets(value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evaluations_of(recipe(sets={"x": value}))


def test_bad_images(faces: Path, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("1 a.jpg b.jpg\n")
    with pytest.raises(InputError, match=r"2 images are missing: a\.jpg, b\.jpg"):
        ListedPairs("x", False, tmp_path / "list.txt", tmp_path).measure(embedder)
    (tmp_path / "one" / "a").mkdir(parents=True)
    (tmp_path / "one" / "a" / "1.png").write_bytes((faces / "faces/n0/0.png").read_bytes())
    with pytest.raises(InputError, match="expected people, some of them with two images"):
        FolderPairs("x", False, tmp_path / "one").measure(embedder)


def test_checked_before_training(faces: Path, tmp_path: Path) -> None:
    """What would stop the first evaluation, hours later, is found by the lists and one image."""
    write_layout(tmp_path / "meta", write_faces(tmp_path / "people"))
    (tmp_path / "broken.txt").write_text("1 n0/0.png\n")
    (tmp_path / "gone.txt").write_text("1 n0/0.png n0/9.png\n")
    sets: list[Evaluation] = [
        BinPairs("x", False, faces / "pairs.bin"),
        ListedPairs("x", False, faces / "plain.txt", faces / "faces"),
        FolderPairs("x", False, faces / "faces"),
        IjbSet("x", False, tmp_path / "meta", "ijbt", tmp_path / "people", True),
    ]
    for one in sets:
        one.check()
    wrong = {
        "expected": ListedPairs("x", False, tmp_path / "broken.txt", faces / "faces"),
        "1 images are missing: n0/9.png": ListedPairs("x", False, tmp_path / "gone.txt", faces / "faces"),
        "no images, expected": FolderPairs("x", False, tmp_path / "meta"),
    }
    for message, other in wrong.items():
        with pytest.raises(InputError, match=rf"^evaluate\.sets\.x: .*{message}"):
            other.check()


@pytest.mark.parametrize(
    ("files", "content", "message"),
    [
        ("ijbt_template_pair_label.txt", "1 2 3\n", "label 3, expected 0 or 1"),
        ("ijbt_1N_probe_mixed.csv", "TEMPLATE_ID,SUBJECT_ID\n1,x\n", "line 2: 'x', expected a whole number"),
        ("ijbt_1N_gallery_*.csv", "TEMPLATE_ID,SUBJECT_ID\n", "no templates"),
        ("ijbt_1N_gallery_*.csv", None, r"no ijbt_1N_gallery_\*\.csv, expected one file a gallery"),
        ("ijbt_[t1]*", None, "neither template pairs nor probes of ijbt"),
    ],
)
def test_ijb_lists_are_checked_before_training(
    tmp_path: Path, files: str, content: str | None, message: str
) -> None:
    write_layout(tmp_path / "meta", write_faces(tmp_path / "people"))
    found = list((tmp_path / "meta").rglob(files))
    assert found
    for path in found:
        if content is None:
            path.unlink()
        else:
            path.write_text(content)
    asked = IjbSet("x", False, tmp_path / "meta", "ijbt", tmp_path / "people", True)
    with pytest.raises(InputError, match=rf"^evaluate\.sets\.x: .*{message}"):
        asked.check()


def test_pairs_of_one_kind(faces: Path, tmp_path: Path) -> None:
    """Nothing can be measured of them: found before training, and said of which set."""
    image = (faces / "faces" / "n0" / "0.png").read_bytes()
    lines = (faces / "plain.txt").read_text().splitlines(True)
    for kind, found in ((1, "24 of one person and 0 of two"), (0, "0 of one person and 24 of two")):
        (tmp_path / "pairs.txt").write_text("".join(line for line in lines if line.startswith(str(kind))))
        write_bin(tmp_path / "pairs.bin", [image] * 48, [bool(kind)] * 24)
        write_layout(tmp_path / f"meta{kind}", write_faces(tmp_path / "people"))
        (labels,) = (tmp_path / f"meta{kind}").rglob("*_template_pair_label.txt")
        asked = np.loadtxt(labels, np.int64)
        asked[:, 2] = kind
        np.savetxt(labels, asked, "%d")
        sets: list[Evaluation] = [
            BinPairs("x", False, tmp_path / "pairs.bin"),
            ListedPairs("x", False, tmp_path / "pairs.txt", faces / "faces"),
            IjbSet("x", False, tmp_path / f"meta{kind}", "ijbt", tmp_path / "people", True),
        ]
        for one in sets:
            counts = found.replace("24", str(len(asked))) if isinstance(one, IjbSet) else found
            message = (
                rf"^evaluate\.sets\.x: \S+: .*expected pairs of one person and pairs of two, got {counts}$"
            )
            with pytest.raises(InputError, match=message):
                one.check()


def test_bin_of_insightface_without_an_impostor(shared_data: Path) -> None:
    small = BinPairs("small", False, shared_data / "insightface_samples" / "small_lfw.bin")
    with pytest.raises(InputError, match=r"^evaluate\.sets\.small: .*small_lfw\.bin: expected pairs of one"):
        small.check()
    with pytest.raises(InputError, match=r"^evaluate\.sets\.small: (?!evaluate)"):
        small.measure(embedder)
