"""Embedding sets: what is read, what is refused, and by which words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fr_eval import EmbeddingSet, InputError


@pytest.fixture
def arrays(rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {
        "embeddings": rng.standard_normal((6, 4)).astype(np.float32),
        "filenames": np.array([f"p/{i}.jpg" for i in (3, 1, 5, 0, 4, 2)]),
        "labels": np.arange(6),
        "media": np.arange(6),
        "quality": np.linspace(0.5, 1, 6, dtype=np.float32),
    }


def test_round_trip(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    path = tmp_path / "deep" / "set.npz"
    EmbeddingSet(**arrays).save(path)
    loaded = EmbeddingSet.load(path)
    for name, array in arrays.items():
        np.testing.assert_array_equal(getattr(loaded, name), array)
    assert [file.name for file in path.parent.iterdir()] == ["set.npz"]


def test_memory_map(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    np.save(tmp_path / "set.npy", arrays["embeddings"])
    loaded = EmbeddingSet.load(tmp_path / "set.npy")
    assert isinstance(loaded.embeddings, np.memmap)
    np.testing.assert_array_equal(loaded.embeddings, arrays["embeddings"])


def test_rows_of(arrays: dict[str, np.ndarray]) -> None:
    embedding_set = EmbeddingSet(**arrays)
    assert embedding_set.rows_of(["p/0.jpg", "p/5.jpg", "p/0.jpg"]).tolist() == [3, 2, 3]
    subset = embedding_set.subset(np.array([2, 0]))
    assert subset.filenames is not None and subset.filenames.tolist() == ["p/5.jpg", "p/3.jpg"]


def test_missing_names_are_counted_and_five_shown(arrays: dict[str, np.ndarray]) -> None:
    wanted = [f"q/{i}.jpg" for i in range(7)] + ["p/1.jpg", "q/0.jpg"]
    with pytest.raises(
        InputError, match=r"7 images are not in the embedding set: q/0.jpg, .*q/4.jpg, \.\.\.$"
    ):
        EmbeddingSet(**arrays).rows_of(wanted)


def test_ambiguous_and_absent_names(arrays: dict[str, np.ndarray]) -> None:
    arrays["filenames"][0] = "p/1.jpg"
    with pytest.raises(InputError, match=r"p/1.jpg names two rows"):
        EmbeddingSet(**arrays).rows_of(["p/1.jpg"])
    with pytest.raises(InputError, match="no array 'filenames'"):
        EmbeddingSet(arrays["embeddings"]).rows_of(["p/1.jpg"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"embeddings": (3, np.nan)}, "embeddings row 3 holds NaN or infinity"),
        ({"embeddings": (4, np.inf)}, "embeddings row 4 holds NaN or infinity"),
        ({"embeddings": (2, 0)}, "embeddings row 2 is all zeros"),
        ({"labels": np.arange(5)}, r"labels has shape \(5,\), expected \(6,\)"),
        ({"labels": np.linspace(0, 1, 6)}, "labels has dtype float64"),
        ({"embeddings": np.ones(5, dtype=np.float32)}, r"embeddings have shape \(5,\)"),
        ({"embeddings": np.ones((6, 2), dtype=np.int32)}, "embeddings have dtype int32"),
    ],
)
def test_bad_arrays_are_named(
    tmp_path: Path, arrays: dict[str, np.ndarray], change: dict[str, object], message: str
) -> None:
    for name, value in change.items():
        if isinstance(value, tuple):
            arrays[name][value[0]] = value[1]
        else:
            arrays[name] = value  # type: ignore[assignment]
    np.savez(tmp_path / "set.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=f"set.npz: {message}"):
        EmbeddingSet.load(tmp_path / "set.npz")


def test_truncated_and_foreign_files(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    path = tmp_path / "set.npz"
    EmbeddingSet(**arrays).save(path)
    whole = path.read_bytes()
    for kept in (0, 10, len(whole) // 2, len(whole) - 30):
        path.write_bytes(whole[:kept])
        with pytest.raises(InputError, match="cannot be read as NumPy arrays"):
            EmbeddingSet.load(path)
    np.savez(path, vectors=arrays["embeddings"])
    with pytest.raises(InputError, match="no array 'embeddings', found vectors"):
        EmbeddingSet.load(path)
    with pytest.raises(InputError, match="no such file"):
        EmbeddingSet.load(tmp_path / "other.npz")
    with pytest.raises(InputError, match=r"expected a .npz or .npy file"):
        EmbeddingSet.load(tmp_path / "set.csv")


def test_objects_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", embeddings=np.array([print, None], dtype=object))
    with pytest.raises(InputError, match="Object arrays cannot be loaded"):
        EmbeddingSet.load(tmp_path / "set.npz")


@pytest.mark.parametrize("file", ["set.npz", "set.npy"])
def test_every_damaged_byte_is_one_line(tmp_path: Path, arrays: dict[str, np.ndarray], file: str) -> None:
    path = tmp_path / file
    if file == "set.npz":
        EmbeddingSet(**arrays).save(path)
    else:
        np.save(path, arrays["embeddings"])
    whole = path.read_bytes()
    messages = []
    for position in range(len(whole)):
        for value in (0, ord("("), 0xFF):
            path.write_bytes(whole[:position] + bytes([value]) + whole[position + 1 :])
            try:
                EmbeddingSet.load(path)
            except InputError as error:
                messages.append(str(error))
    assert messages
    assert all(len(message.splitlines()) == 1 for message in messages)


def test_float64_that_overflows_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", embeddings=np.array([[1.0, 1e300]]))
    with pytest.raises(InputError, match="row 0 holds NaN or infinity"):
        EmbeddingSet.load(tmp_path / "set.npz")
