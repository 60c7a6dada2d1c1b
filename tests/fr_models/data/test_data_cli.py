"""fr-data, in this process where that is enough."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fr_eval.embedders import load_embedder
from fr_eval.images import read_image
from fr_models.data import open_dataset
from fr_models.data.distillation import write_embeddings

from tests.commands import Run, output_without
from tests.fr_eval.faces import encoded, face, write_faces, write_lfw_pairs, write_onnx


def test_no_tensorflow_where_none_is_needed(tmp_path: Path) -> None:
    write_faces(tmp_path / "faces", 3, 2)
    split = ["split", "faces", "--by", "image", "--share", "0.5", "--train", "a.npz", "--test", "b.npz"]
    for arguments in (["--help"], ["distill", "--help"], ["check", "faces"], split):
        assert output_without(["tensorflow", "keras"], "fr_models.data.cli", arguments, tmp_path)


def test_info(run: Run) -> None:
    code, out, _ = run("info", "faces", "--digest", "--json", "info.json")
    facts = {line[:24].strip(): line[24:].strip() for line in out.splitlines()}
    assert code == 0 and facts["images"] == "18" and facts["classes"] == "6" and facts["format"] == "folders"
    assert (
        facts["SHA-256"]
        == open_dataset("faces").digest()
        == json.loads(Path("info.json").read_text())["SHA-256"]
    )


def test_convert(run: Run) -> None:
    digest = open_dataset("faces").digest()
    for source, output, to in (
        ("faces", "rec", "recordio"),
        ("rec", "tf", "tfrecord"),
        ("tf", "l.npz", "npz"),
    ):
        code, out, err = run("convert", source, "-o", output, "--to", to)
        assert code == 0 and f"18 images of 6 classes: {output}" in out, err
        assert f"SHA-256 {digest}, the same when read again" in out
        assert "convert: 36 of 36" in err
    assert [open_dataset("l.npz").read(i) for i in range(18)] == [
        open_dataset("faces").read(i) for i in range(18)
    ]


@pytest.mark.parametrize("to", ["folders", "recordio", "tfrecord", "npz"])
def test_convert_names_all_files_that_are_no_images(run: Run, to: str) -> None:
    wrong = [f"faces/name_0{number}/name_0{number}_0002.jpg" for number in (1, 3, 4)]
    for path in wrong:
        Path(path).write_bytes(b"no image")
    code, _, err = run("convert", "faces", "-o", "x.npz", "--to", to)
    *lines, last = [line for line in err.splitlines() if not line.startswith("convert: ")]
    assert code == 2 and [line.partition(":")[0] for line in lines] == wrong, err
    assert last.startswith(
        f"fr-data: 3 images or records cannot be read, the first: {wrong[0]}: neither JPEG"
    )
    assert last.endswith("; fr-data check --select leaves them out")


def test_check_and_select(run: Run) -> None:
    Path("faces/name_01/name_01_0002.jpg").write_bytes(b"no image")
    Path("faces/name_02/copy.jpg").write_bytes(Path("faces/name_00/name_00_0001.jpg").read_bytes())
    code, out, _ = run("check", "faces", "--json", "r.json", "--csv", "new/r.csv", "--select", "good.npz")
    assert code == 0 and "19 images of 6 classes: 1 unreadable, 2 duplicate_across" in out
    assert "unreadable: faces/name_01/name_01_0002.jpg: " in out
    assert "18 images: good.npz" in out and len(open_dataset("good.npz")) == 18
    assert json.loads(Path("r.json").read_text())["counts"]["duplicate_across"] == 2
    assert pd.read_csv("new/r.csv").kind.tolist() == ["unreadable", "duplicate_across", "duplicate_across"]
    arguments = ["--least-side", 33, "--select", "x.npz", "--without", "tiny,unreadable"]
    assert run("check", "faces", *arguments)[::2] == (
        2,
        "check: 19 of 19\nfr-data: selection: no images are left\n",
    )
    code, out, err = run("check", "good.npz", "--least-images", 3)
    assert code == 0 and "1 few_images" in out and "name_01: 2 images, expected 3 or more" in out, err


def test_select_without_small_classes(run: Run) -> None:
    """Their images and they themselves are left out: nothing is found where it is checked again."""
    Path("faces/name_01/name_01_0002.jpg").unlink()
    Path("faces/empty").mkdir()
    arguments = ["--least-images", 3, "--select", "x.npz", "--without", "few_images"]
    code, out, err = run("check", "faces", *arguments)
    assert code == 0 and "2 few_images" in out and "15 images: x.npz" in out, err
    left = open_dataset("x.npz")
    assert left.class_names == [f"name_0{number}" for number in (0, 2, 3, 4, 5)]
    assert left.labels.tolist() == [label for label in range(5) for _ in range(3)]
    assert not any("name_01" in left.name(index) for index in range(15))
    code, out, err = run("check", "x.npz", "--least-images", 3)
    assert code == 0 and "15 images of 5 classes: nothing wrong" in out, err
    code, out, err = run("check", "faces", "--least-images", 3, "--select", "all.npz")
    assert code == 0 and "17 images: all.npz" in out and len(open_dataset("all.npz").class_names) == 7, err


def test_check_of_embeddings_lists_what_is_corrupt(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it, not the first alone; where all can be read, images and embeddings are compared."""
    monkeypatch.setattr("fr_models.data._digest.FINGERPRINT_IMAGES", 2)
    assert run("convert", "faces", "-o", "rec", "--to", "recordio")[0] == 0
    embeddings = np.ones((18, 4), np.float32)
    write_embeddings(Path("t.npy"), open_dataset("rec"), Path("rec"), [embeddings], {})
    code, out, err = run("check", "t.npy")
    assert code == 0 and "nothing wrong" in out and "embeddings: 18 of 18" in err, err
    begins = [int(line.split()[1]) for line in Path("rec/train.idx").read_text().splitlines()]
    content = bytearray(Path("rec/train.rec").read_bytes())
    for record in (5, 9):
        content[begins[record]] ^= 1
    Path("rec/train.rec").write_bytes(content)
    code, out, err = run("check", "t.npy", "--json", "r.json")
    assert code == 0 and "2 corrupt" in out and "embeddings: not compared with the images" in out, err
    assert all(f"corrupt: rec/train.rec: record {record} at byte" in out for record in (5, 9))
    assert json.loads(Path("r.json").read_text())["counts"]["corrupt"] == 2
    for record in (5, 9):
        content[begins[record]] ^= 1
    Path("rec/train.rec").write_bytes(content)
    embeddings[3] = 0
    np.save("t.npy", embeddings)
    code, _, err = run("check", "t.npy")
    assert code == 2 and "t.npy: embeddings row 3 is all zeros" in err, err


def test_split_by_pairs(run: Run) -> None:
    write_lfw_pairs(Path("pairs.txt"))
    arguments = ["--train", "train.npz", "--test", "test.npz", "--pairs", "pairs.txt", "--test-folds", "2,3"]
    code, out, err = run("split", "faces", *arguments)
    assert (
        code == 0 and "6 images of 2 people: train.npz" in out and "12 images of 4 people: test.npz" in out
    ), err
    assert open_dataset("train.npz").class_names == ["name_00", "name_01"]
    assert run("convert", "train.npz", "-o", "train", "--to", "folders")[0] == 0
    assert open_dataset("train").digest() == open_dataset("train.npz").digest()
    code, _, err = run("split", "faces", *arguments)
    assert (code, err) == (2, "fr-data: --train: train.npz exists, expected a new name\n")


@pytest.mark.parametrize(
    ("by", "share", "told"),
    [
        ("identity", "0.1", "share of people on the test side: asked for 0.1, got 0.17\n"),
        ("image", "0.5", "share of images on the test side: asked for 0.5, got 0.67\n"),
        ("identity", "0.333", ""),
        ("image", "0.33", ""),
    ],
)
def test_split_tells_another_share_than_was_asked_for(run: Run, by: str, share: str, told: str) -> None:
    code, out, err = run(
        "split", "faces", "--train", "a.npz", "--test", "b.npz", "--by", by, "--share", share
    )
    assert code == 0 and out.partition("people: b.npz\n")[2] == told, err


def test_distill_and_drop(run: Run) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    write_onnx(Path("net.onnx"))
    Path("faces/name_00/stranger.jpg").write_bytes(encoded(255 - face(0, 9), ".jpg"))
    code, out, err = run("distill", "faces", "--model", "net.onnx", "-o", "teacher.npy")
    assert code == 0 and "19 embeddings: teacher.npy" in out, err
    dataset = open_dataset("teacher.npy")
    images = np.stack([read_image(Path(path)) for path in dataset.paths()])
    expected = load_embedder(Path("net.onnx"))(images)
    np.testing.assert_allclose(dataset.embeddings, expected, atol=1e-5)
    means = [
        dataset.embeddings[np.flatnonzero(dataset.labels == label)[:3]].mean(axis=0) for label in range(6)
    ]
    np.save(
        "centers.npy", np.stack([center for mean in means for center in (mean, -mean)]).astype(np.float32)
    )
    code, out, err = run(
        "drop",
        "teacher.npy",
        "--centers",
        "centers.npy",
        "-o",
        "clean.npz",
        "--json",
        "c.json",
        "--csv",
        "c.csv",
    )
    assert code == 0 and "18 of 19 images kept at 75 degrees, 6 of 6 classes: clean.npz" in out, err
    kept = open_dataset("clean.npz")
    assert kept.embeddings.shape == (18, 48) and not any("stranger" in path for path in kept.paths())
    assert json.loads(Path("c.json").read_text())["sub_centers"] == 2
    assert pd.read_csv("c.csv").kept.tolist() == [3] * 6
    code, _, err = run("drop", "faces", "--centers", "centers.npy", "-o", "d.npz")
    assert code == 2 and err.startswith("fr-data: faces: no embeddings: fr-data distill faces --model")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["info", "missing"], "missing: no such file or folder"),
        (["info", "empty"], "empty: not a dataset: expected a folder of class folders"),
        (["convert", "faces", "-o", "x", "--to", "lmdb"], "--to: expected one of folders, recordio"),
        (["convert", "faces", "-o", "empty", "--to", "recordio"], "empty: exists, expected a new name"),
        (["convert", "faces", "-o", ".", "--to", "npz"], ".: exists, expected a new name"),
        (["check", "faces", "--select", "x.txt"], "--select: expected a .npz file, got x.txt"),
        (["check", "faces", "--select", "x.npz", "--without", "ugly"], "--without: expected some of"),
        (["split", "faces", "--train", "a.npz", "--test", "b.npz"], "split: expected --by and --share, or"),
        (
            ["split", "faces", "--train", "a.npz", "--test", "b.npz", "--seed", "-1"],
            "Invalid value for '--seed'",
        ),
        (["check", "nowhere", "--without", "ugly"], "--without: expected some of"),
        (["check", "faces", "--least-side", "-1"], "Invalid value for '--least-side'"),
        (
            ["split", "faces", "--train", "a.npz", "--test", "b.npz", "--by", "size", "--share", "0.5"],
            "--by: expected identity or image, got 'size'",
        ),
        (
            ["split", "faces", "--train", "a.npz", "--test", "b.npz", "--pairs", "p", "--by", "image"],
            "--pairs: expected --test-folds with it",
        ),
        (
            ["split", "faces", "--train", "a.npz", "--test", "b.npz", "--pairs", "p", "--test-folds", "x"],
            "--test-folds: expected whole numbers separated by commas, got 'x'",
        ),
        (
            [
                "split",
                "faces",
                "--train",
                "a.npz",
                "--test",
                "b.npz",
                "--pairs",
                "pairs.txt",
                "--test-folds",
                "9",
            ],
            "--test-folds: expected numbers from 1 to 3, got 9",
        ),
        (
            ["split", "faces", "--train", "a.npz", "--test", "b.npz", "--by", "image", "--share", "1"],
            "--share: expected a number in (0, 1), got 1.0",
        ),
        (
            ["drop", "u.npy", "--centers", "c.npy", "-o", "x.npz", "--degrees", "0"],
            "--degrees: expected an angle between 0 and 180, got 0.0",
        ),
        (["distill", "faces", "--model", "net.onnx", "-o", "t.npz"], "--output: expected a .npy file"),
        (["distill", "faces", "--model", "net.onnx", "-o", "t.npy"], "net.onnx: no such file"),
        (["drop", "faces", "-o", "x.npz"], "Missing option '--centers'"),
    ],
)
def test_one_line(run: Run, arguments: list[str], message: str) -> None:
    Path("empty").mkdir()
    write_lfw_pairs(Path("pairs.txt"))
    write_embeddings(Path("u.npy"), open_dataset("faces"), Path("faces"), [np.ones((18, 4), np.float32)], {})
    np.save("c.npy", np.ones((6, 4), np.float32))
    code, _, err = run(*arguments)
    last = err.splitlines()[-1]
    assert code == 2 and last.startswith(f"fr-data: {message}"), err
    assert "Traceback" not in err


def test_corrupt_records_are_named_and_what_is_left_is_rescued(run: Run) -> None:
    run("convert", "faces", "-o", "rec", "--to", "recordio")
    begins = [int(line.split()[1]) for line in Path("rec/train.idx").read_text().splitlines()]
    content = bytearray(Path("rec/train.rec").read_bytes())
    for record in (3, 8):
        content[begins[record]] ^= 1
    Path("rec/train.rec").write_bytes(content[: begins[17] + 9])
    code, _, err = run("convert", "rec", "-o", "out", "--to", "folders")
    *lines, last = [line for line in err.splitlines() if not line.startswith("convert: ")]
    names = [f"rec/train.rec: record {record} at byte {begins[record]}: " for record in (17, 3, 8)]
    assert code == 2 and [line[: len(name)] for line, name in zip(lines, names, strict=True)] == names, err
    assert "8 of the 25 records of train.idx are missing" in lines[0]
    assert last.startswith("fr-data: 3 images or records cannot be read, the first: rec/train.rec: record 17")
    code, out, _ = run("check", "rec", "--select", "good.npz")
    assert code == 0 and "14 images of 6 classes: 1 truncated, 2 corrupt" in out
    assert all(
        f"{kind}: {name}" in out
        for kind, name in zip(("truncated", "corrupt", "corrupt"), names, strict=True)
    )
    code, out, err = run("convert", "good.npz", "-o", "rescued", "--to", "folders")
    assert code == 0 and "14 images of 6 classes: rescued" in out, err
    left = {path.read_bytes() for path in Path("rescued").glob("*/*.jpg")}
    faces = sorted(Path("faces").glob("*/*.jpg"))
    assert left == {faces[row].read_bytes() for row in range(16) if row not in (2, 7)}
