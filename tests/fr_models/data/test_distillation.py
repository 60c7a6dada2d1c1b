"""Embeddings beside images: those of these images and no others."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from fr_eval.embed import embed_folder
from fr_eval.locks import written_alone
from fr_models.data import open_dataset
from fr_models.data.convert import convert_dataset
from fr_models.data.distillation import DistillationDataset, embed_dataset, write_embeddings

from tests.fr_eval.faces import pixel_embedder, write_faces
from tests.fr_models.data.datasets import files_below, mixed_faces


@pytest.fixture
def teacher(tmp_path: Path) -> Path:
    write_faces(tmp_path / "faces", 5, 4)
    dataset = open_dataset(tmp_path / "faces")
    embed_dataset(dataset, tmp_path / "faces", pixel_embedder, tmp_path / "teacher.npy")
    return tmp_path / "teacher.npy"


def test_embeddings_are_those_of_the_evaluation(tmp_path: Path, teacher: Path) -> None:
    dataset = open_dataset(teacher)
    expected = embed_folder(tmp_path / "faces", pixel_embedder, tmp_path / "all.npz")
    assert isinstance(dataset, DistillationDataset) and isinstance(dataset.embeddings, np.memmap)
    np.testing.assert_array_equal(dataset.embeddings, expected.embeddings)
    assert dataset.labels.tolist() == expected.labels.tolist()
    assert dataset.digest() == open_dataset(tmp_path / "faces").digest()
    assert dataset.paths() == open_dataset(tmp_path / "faces").paths()
    dataset.verify()
    assert not teacher.with_name("teacher.npy.partial").exists()


@pytest.mark.parametrize("kind", ["recordio", "tfrecord"])
def test_records_have_teachers_too(tmp_path: Path, kind: str) -> None:
    source = mixed_faces(size=32)
    convert_dataset(source, tmp_path / "records", kind)
    dataset = open_dataset(tmp_path / "records")
    embed_dataset(dataset, tmp_path / "records", pixel_embedder, tmp_path / "t.npy", flip=True)
    moved = tmp_path.rename(tmp_path.with_name(f"{tmp_path.name}-{kind}"))
    opened = open_dataset(moved / "t.npy")
    assert opened.read(3) == dataset.read(3) and opened.embeddings.shape == (23, 48)
    assert opened.sidecar.embedder == {"embedder": "pixel_embedder", "flip": True}


def test_a_killed_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fr_eval.embed.CHUNK_IMAGES", 4)
    write_faces(tmp_path / "faces", 5, 4)
    dataset = open_dataset(tmp_path / "faces")
    seen = []

    def embedder(images: np.ndarray) -> np.ndarray:
        seen.append(len(images))
        if len(seen) == 4:
            raise KeyboardInterrupt
        return pixel_embedder(images)

    output = tmp_path / "t.npy"
    with pytest.raises(KeyboardInterrupt):
        embed_dataset(dataset, tmp_path / "faces", embedder, output)
    assert not output.exists() and not output.with_suffix(".json").exists()
    embed_dataset(dataset, tmp_path / "faces", embedder, output)
    assert sum(seen) == 4 * 3 + 1 + 1 + 4 * 3  # the first image identifies a nameless network
    np.testing.assert_array_equal(
        open_dataset(output).embeddings,
        embed_folder(tmp_path / "faces", pixel_embedder, tmp_path / "all.npz").embeddings,
    )


def test_one_process_at_a_time(tmp_path: Path) -> None:
    write_faces(tmp_path / "faces", 2, 2)
    output = tmp_path / "t.npy"
    with written_alone(output), pytest.raises(ValueError, match=f"^{output}: another process is writing it$"):
        embed_dataset(open_dataset(tmp_path / "faces"), tmp_path / "faces", pixel_embedder, output)
    assert [path.name for path in tmp_path.iterdir()] == ["faces"]


def test_other_images_are_refused(tmp_path: Path, teacher: Path) -> None:
    image = sorted((tmp_path / "faces" / "name_02").iterdir())[0]
    kept = image.read_bytes()
    image.write_bytes(kept + b"\0")
    with pytest.raises(
        ValueError, match=r"teacher\.npy: made of other images, labels or classes than .*faces"
    ):
        open_dataset(teacher)
    image.write_bytes(kept)
    open_dataset(teacher)
    image.unlink()
    with pytest.raises(ValueError, match=r"expected float32 \[19, D\], got float32 \[20, 48\]"):
        open_dataset(teacher)


def test_verify_knows_every_image_and_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fr_models.data._digest.FINGERPRINT_IMAGES", 2)
    write_faces(tmp_path / "faces", 5, 4)
    dataset = open_dataset(tmp_path / "faces")
    embed_dataset(dataset, tmp_path / "faces", pixel_embedder, tmp_path / "t.npy")
    folder = tmp_path / "faces" / "name_02"
    (folder / "name_02_0001.jpg").rename(folder / "x.jpg")
    (folder / "name_02_0002.jpg").rename(folder / "name_02_0001.jpg")
    (folder / "x.jpg").rename(folder / "name_02_0002.jpg")
    swapped = open_dataset(tmp_path / "t.npy")
    assert swapped.digest() == dataset.digest()
    with pytest.raises(ValueError, match=r"t\.npy: made of other images than .*faces has now"):
        swapped.verify()


def test_damaged_files(tmp_path: Path, teacher: Path) -> None:
    whole, sidecar = teacher.read_bytes(), teacher.with_suffix(".json").read_text()
    for length in (0, 5, 100, len(whole) - 1):
        teacher.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"teacher\.npy: cannot be read"):
            open_dataset(teacher)
    np.save(teacher, np.zeros((20, 48)))
    with pytest.raises(ValueError, match=r"expected float32 \[20, D\], got float64 \[20, 48\]"):
        open_dataset(teacher)
    np.save(teacher, np.array([{}] * 20, dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"cannot be read: .*Python objects"):
        open_dataset(teacher)
    teacher.write_bytes(whole)
    for text in (
        "{",
        "[]",
        json.dumps({"dataset": 3}),
        json.dumps({**json.loads(sidecar), "fingerprint": None}),
    ):
        teacher.with_suffix(".json").write_text(text)
        with pytest.raises(ValueError, match=r"teacher\.json: not the JSON that describes embeddings"):
            open_dataset(teacher)
    teacher.with_suffix(".json").unlink()
    with pytest.raises(ValueError, match=r"no teacher\.json beside it, which names the images"):
        open_dataset(teacher)


def test_embeddings_that_cannot_teach(tmp_path: Path) -> None:
    dataset = mixed_faces()
    whole = np.ones((23, 4), np.float32)
    wrong = {
        "22 embeddings of 23 images": [whole[:22]],
        "24 embeddings of 23 images": [whole, whole[:1]],
        "embeddings from 10 on: embeddings row 3 is all zeros": [whole[:10], np.diag([1.0, 1, 1, 0])],
        "embeddings from 10 on: 3 numbers, expected 4": [whole[:10], whole[10:, :3]],
    }
    for message, parts in wrong.items():
        with pytest.raises(ValueError, match=message):
            write_embeddings(tmp_path / "t.npy", dataset, tmp_path, parts, {})
        assert not list(tmp_path.iterdir())


def test_json_of_something_else_stays(tmp_path: Path) -> None:
    source = mixed_faces(size=32)
    source.embeddings = np.ones((23, 4), np.float32)
    (tmp_path / "net.json").write_text('{"size": [112, 112]}')
    message = r"net\.npy: would write over .*net\.json, which is something else"
    with pytest.raises(ValueError, match=message):
        embed_dataset(source, tmp_path, pixel_embedder, tmp_path / "net.npy")
    with pytest.raises(ValueError, match=message):
        convert_dataset(source, tmp_path / "net", "tfrecord")
    assert [path.name for path in tmp_path.iterdir()] == ["net.json"]


def test_embeddings_of_others_beside_a_new_output_stay(tmp_path: Path) -> None:
    """Also those that a dataset of the same name has left, with a sidecar of their own."""
    source = mixed_faces(size=32)
    source.embeddings = np.ones((23, 4), np.float32)
    write_embeddings(tmp_path / "x.npy", source, tmp_path / "x", [2 * source.embeddings], {})
    before = files_below(tmp_path)
    with pytest.raises(ValueError, match=r"x\.npy: exists, expected a new name"):
        convert_dataset(source, tmp_path / "x", "tfrecord")
    assert files_below(tmp_path) == before


def test_conversion_takes_embeddings_along(tmp_path: Path) -> None:
    source = mixed_faces(size=32)
    source.embeddings = np.stack([np.frombuffer(image[-8:], np.uint8) for image in source.images]).astype(
        "f4"
    )
    for kind in ("folders", "recordio", "tfrecord"):
        done = convert_dataset(source, tmp_path / kind, kind)
        assert done.embeddings == tmp_path / f"{kind}.npy"
        opened = open_dataset(done.embeddings)
        assert opened.embeddings is not None
        for index in range(23):
            np.testing.assert_array_equal(
                opened.embeddings[index], np.frombuffer(opened.read(index)[-8:], np.uint8)
            )
    convert_dataset(source, tmp_path / "list.npz", "npz")
    listed = open_dataset(tmp_path / "list.npz")
    for index in range(23):
        np.testing.assert_array_equal(
            listed.embeddings[index], np.frombuffer(listed.read(index)[-8:], np.uint8)
        )


def test_real_teacher(tmp_path: Path, shared_data: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    from fr_eval.embedders import Preprocessing, load_embedder

    shutil.copy(shared_data / "models" / "MobileFaceNet.tflite", tmp_path / "net.tflite")
    embedder = load_embedder(tmp_path / "net.tflite", Preprocessing((112, 112), 1 / 128, 127.5, "RGB"))
    people = ("Abel_Pacheco", "Akhmed_Zakayev", "Adam_Sandler")
    for person in people:
        shutil.copytree(shared_data / "lfw" / "aligned112" / person, tmp_path / "faces" / person)
    dataset = open_dataset(tmp_path / "faces")
    embed_dataset(dataset, tmp_path / "faces", embedder, tmp_path / "teacher.npy")
    opened = open_dataset(tmp_path / "teacher.npy")
    with np.load(shared_data / "embeddings" / "lfw_mobilefacenet192.npz") as stored:
        known = dict(zip(stored["filenames"].tolist(), stored["embeddings"], strict=True))
    for index in range(len(opened)):
        ours, theirs = opened.embeddings[index], known["/".join(Path(opened.name(index)).parts[-2:])]
        assert ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs) > 0.999
