"""Embedding folders: killed runs go on, changed runs refuse, bad images are named."""

from __future__ import annotations

import struct
import zlib
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from fr_eval import EmbeddingSet, InputError
from fr_eval import embed as embed_module
from fr_eval.embed import describe_embedder, embed_folder
from fr_eval.embedders import Preprocessing
from fr_eval.images import decode_image
from fr_eval.locks import written_alone
from fr_eval.protocols import ImageFolder, list_images

from tests.fr_eval.faces import encoded, face, pixel_embedder, write_external_onnx, write_faces


class KilledError(Exception):
    """Stands for the kill of a run."""


class Counting:
    """An embedder that counts its images, and is killed after some batches."""

    def __init__(self, batches: int = 10**9) -> None:
        self.batches = batches
        self.images = 0

    def __call__(self, images: np.ndarray) -> np.ndarray:
        if self.batches == 0:
            raise KilledError
        self.batches -= 1
        self.images += len(images)
        return pixel_embedder(images)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(embed_module, "CHUNK_IMAGES", 5)
    monkeypatch.setattr(embed_module, "BATCH_IMAGES", 2)
    write_faces(tmp_path / "faces")
    return tmp_path / "faces"


def test_embed_folder(folder: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    result = embed_folder(
        folder, pixel_embedder, tmp_path / "set.npz", progress=lambda done, total: seen.append((done, total))
    )
    loaded = EmbeddingSet.load(tmp_path / "set.npz")
    assert loaded.filenames is not None and loaded.filenames.tolist() == list(list_images(folder))
    np.testing.assert_array_equal(loaded.embeddings, result.embeddings)
    np.testing.assert_array_equal(loaded.labels, np.repeat(np.arange(6), 3))
    assert seen == [(0, 18), (5, 18), (10, 18), (15, 18), (18, 18)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["faces", "set.npz"]


@pytest.mark.parametrize("batches", [0, 1, 4, 7])
def test_a_killed_run_goes_on(folder: Path, tmp_path: Path, batches: int) -> None:
    embed_folder(folder, Counting(), tmp_path / "whole.npz")
    killed, resumed = Counting(1 + batches), Counting()  # the first call tells the embedder from others
    with pytest.raises(KilledError):
        embed_folder(folder, killed, tmp_path / "set.npz")
    assert not (tmp_path / "set.npz").exists()
    embed_folder(folder, resumed, tmp_path / "set.npz")
    chunks_kept = batches // 3  # three batches a chunk of five images
    assert resumed.images == 1 + 18 - 5 * chunks_kept
    np.testing.assert_array_equal(
        EmbeddingSet.load(tmp_path / "set.npz").embeddings,
        EmbeddingSet.load(tmp_path / "whole.npz").embeddings,
    )


def test_unfinished_work_of_another_run_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        embed_folder(folder, Counting(5), tmp_path / "set.npz")
    with pytest.raises(
        InputError, match=r"set.npz.partial: unfinished work with another flip; delete the folder"
    ):
        embed_folder(folder, Counting(), tmp_path / "set.npz", flip=True)
    with pytest.raises(InputError, match="unfinished work with another embedder, first_embedding"):
        embed_folder(folder, lambda images: 2 * pixel_embedder(images), tmp_path / "set.npz")
    (folder / "name_00" / "name_00_0009.jpg").write_bytes(encoded(face(0, 9), ".jpg"))
    with pytest.raises(InputError, match="unfinished work with another files_sha256, images"):
        embed_folder(folder, Counting(), tmp_path / "set.npz")


@pytest.mark.parametrize("changed", ["cpu", "numpy", "opencv-python-headless", "onnxruntime"])
def test_unfinished_work_of_other_versions_or_another_processor(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    class ByOnnx(Counting):
        packages = ("onnxruntime",)

    told = dict.fromkeys(["cpu", "numpy", "opencv-python-headless", "onnxruntime", "tensorflow"], "1")
    monkeypatch.setattr(
        embed_module, "versions", lambda names: {name: told[name] for name in ("numpy", *names)}
    )
    monkeypatch.setattr(embed_module, "machine", lambda: told)
    with pytest.raises(KilledError):
        embed_folder(folder, ByOnnx(5), tmp_path / "set.npz")
    told["tensorflow"] = "2"
    with pytest.raises(KilledError):
        embed_folder(folder, ByOnnx(2), tmp_path / "set.npz")
    told[changed] = "2"
    with pytest.raises(InputError, match=f"set.npz.partial: unfinished work with another {changed}; delete"):
        embed_folder(folder, ByOnnx(), tmp_path / "set.npz")


def test_a_model_is_known_by_all_its_files(tmp_path: Path) -> None:
    class Loaded:
        preprocessing = Preprocessing((32, 32), 1.0, 0.0, "RGB")

        def __init__(self, model: Path) -> None:
            self.model = model

        def __call__(self, images: np.ndarray) -> np.ndarray:
            return pixel_embedder(images)

    weights = {tmp_path / "net.onnx": write_external_onnx(tmp_path / "net.onnx")}
    weights[tmp_path / "served"] = tmp_path / "served" / "variables" / "variables.data-00000-of-00001"
    weights |= {tmp_path / name: tmp_path / name for name in ("net.tflite", "net.keras")}
    for model, file in weights.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"one")
        before = describe_embedder(Loaded(model))
        file.write_bytes(b"two")
        assert describe_embedder(Loaded(model)) != before


def test_an_output_that_another_process_writes(folder: Path, tmp_path: Path) -> None:
    message = r"set.npz: another process is writing it"
    with written_alone(tmp_path / "set.npz"), pytest.raises(InputError, match=message):
        embed_folder(folder, pixel_embedder, tmp_path / "set.npz")
    assert not (tmp_path / "set.npz.partial").exists()


def test_flip_adds_the_mirror_image(folder: Path, tmp_path: Path) -> None:
    plain = embed_folder(folder, pixel_embedder, tmp_path / "plain.npz")
    flipped = embed_folder(folder, pixel_embedder, tmp_path / "flip.npz", flip=True)
    grid = plain.embeddings.reshape(-1, 4, 4, 3)
    np.testing.assert_allclose(flipped.embeddings.reshape(grid.shape), grid + grid[:, :, ::-1], atol=1e-3)


def test_bad_images_are_named_and_work_is_kept(folder: Path, tmp_path: Path) -> None:
    broken = folder / "name_04" / "name_04_0002.jpg"
    whole = broken.read_bytes()
    broken.write_bytes(b"not an image")
    with pytest.raises(InputError, match=r"name_04_0002.jpg: not an image that can be decoded"):
        embed_folder(folder, pixel_embedder, tmp_path / "set.npz")
    assert len(list((tmp_path / "set.npz.partial").glob("*.npz"))) == 2
    broken.write_bytes(encoded(face(4, 2, 48), ".jpg"))
    with pytest.raises(InputError, match=r"name_04_0002.jpg: 48x48 pixels, but .* has 32x32"):
        embed_folder(folder, pixel_embedder, tmp_path / "other.npz")
    broken.write_bytes(whole)
    embed_folder(folder, pixel_embedder, tmp_path / "third.npz")


def test_folders(tmp_path: Path) -> None:
    for name in ("10/a.jpg", "9/b.PNG", "9/a.jpg", "9/notes.txt", "loose.bmp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    images = ImageFolder.read(tmp_path)
    assert images.names == ("9/a.jpg", "9/b.PNG", "10/a.jpg", "loose.bmp")
    assert images.identities == ("9", "10", ".")
    assert images.labels.tolist() == [0, 0, 1, 2]
    with pytest.raises(InputError, match="no such folder"):
        ImageFolder.read(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no images, expected"):
        ImageFolder.read(tmp_path / "empty")


def test_unusable_embeddings_are_named_and_not_kept(folder: Path, tmp_path: Path) -> None:
    for fault in (np.nan, np.inf, 0.0):

        def faulty(images: np.ndarray, fault: float = fault) -> np.ndarray:
            return pixel_embedder(images) * np.where(np.arange(len(images)) == 1, fault, 1)[:, None]

        with pytest.raises(InputError, match=r"^name_00/name_00_0002.jpg: its embedding is all zeros or"):
            embed_folder(folder, faulty, tmp_path / "set.npz")
        assert not list((tmp_path / "set.npz.partial").glob("*.npz"))
        (tmp_path / "set.npz.partial" / "manifest.json").unlink()
    with pytest.raises(InputError, match=r"embedder: returned shape \(3, 48\), expected \(5, dimensions\)"):
        embed_folder(folder, lambda images: pixel_embedder(images)[:1], tmp_path / "short.npz")


def test_images_of_another_size_than_the_model_are_named(folder: Path, tmp_path: Path) -> None:
    class Sized:
        preprocessing = Preprocessing((112, 112), 1.0, 0.0, "RGB")

        def __call__(self, images: np.ndarray) -> np.ndarray:
            return pixel_embedder(images)

    message = r"^name_00/name_00_0001.jpg: 32x32 pixels, the model wants 112x112"
    with pytest.raises(InputError, match=message):
        embed_folder(folder, Sized(), tmp_path / "set.npz")


def test_work_that_finished_nothing_is_no_obstacle(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        embed_folder(folder, Counting(1), tmp_path / "set.npz")
    assert len(embed_folder(folder, Counting(), tmp_path / "set.npz", flip=True).embeddings)
    assert not (tmp_path / "set.npz.partial").exists()


def test_a_folder_of_others_with_the_name_of_unfinished_work_stays(folder: Path, tmp_path: Path) -> None:
    mine = tmp_path / "set.npz.partial"
    mine.mkdir()
    (mine / "000000000.npz").write_text("years of work")
    with pytest.raises(
        InputError, match=r"set.npz.partial: exists, and is no unfinished work of this command"
    ):
        embed_folder(folder, pixel_embedder, tmp_path / "set.npz")
    assert [(path.name, path.read_text()) for path in mine.iterdir()] == [("000000000.npz", "years of work")]
    (mine / "000000000.npz").unlink()
    (mine / ".writing.manifest.json").write_text("{")  # a run was killed while it wrote it
    assert len(embed_folder(folder, pixel_embedder, tmp_path / "set.npz").embeddings)
    assert not mine.exists()


@pytest.mark.parametrize("stop", range(3))
def test_killed_while_it_removes_what_is_finished(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    expected = embed_folder(folder, pixel_embedder, tmp_path / "expected.npz").embeddings
    unlink, calls = Path.unlink, count()

    def killed(path: Path, missing_ok: bool = False) -> None:
        is_chunk = path.parent.name == "set.npz.partial" and path.suffix == ".npz" and path.exists()
        if is_chunk and next(calls) == stop:
            raise KeyboardInterrupt
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", killed)
    with pytest.raises(KeyboardInterrupt):
        embed_folder(folder, pixel_embedder, tmp_path / "set.npz")
    monkeypatch.setattr(Path, "unlink", unlink)
    again = embed_folder(folder, pixel_embedder, tmp_path / "set.npz").embeddings
    np.testing.assert_array_equal(again, expected)
    assert not (tmp_path / "set.npz.partial").exists()


def test_damaged_manifest(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "set.npz.partial").mkdir()
    for text in ('{"ima', "[1, 2]"):
        (tmp_path / "set.npz.partial" / "manifest.json").write_text(text)
        with pytest.raises(InputError, match=r"manifest.json: damaged; delete its folder"):
            embed_folder(folder, pixel_embedder, tmp_path / "set.npz")


def test_images_that_opencv_will_not_hold() -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"0"))
    with pytest.raises(InputError, match=r"huge.png: not an image that can be decoded"):
        decode_image(b"\x89PNG\r\n\x1a\n" + header + pixels + chunk(b"IEND", b""), "huge.png")


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_images_cut_short(suffix: str) -> None:
    whole = encoded(face(0, 0), suffix)
    for percent in (30, 60, 90):
        with pytest.raises(InputError, match="not an image that can be decoded"):
            decode_image(whole[: len(whole) * percent // 100], "cut")
