"""The same seeded images, wherever they come from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fr_eval import EmbeddingSet, InputError
from fr_eval.images import read_image
from fr_eval.protocols import write_bin
from fr_export import representative_images

from tests.fr_eval.faces import SIZE, encoded, face, write_faces

SHAPE = (SIZE, SIZE)


def test_folder(tmp_path: Path) -> None:
    names = write_faces(tmp_path)
    every = np.stack([read_image(tmp_path / name) for name in names])
    np.testing.assert_array_equal(representative_images(tmp_path, SHAPE), every)
    some = representative_images(tmp_path, SHAPE, count=5, seed=1)
    np.testing.assert_array_equal(some, representative_images(tmp_path, SHAPE, count=5, seed=1))
    assert not np.array_equal(some, representative_images(tmp_path, SHAPE, count=5, seed=2))
    assert some.shape == (5, SIZE, SIZE, 3) and all((every == image).all((1, 2, 3)).any() for image in some)


def test_embedding_set(tmp_path: Path) -> None:
    names = write_faces(tmp_path / "faces")[:6]
    embeddings = EmbeddingSet(np.ones((6, 4), np.float32), filenames=np.array(names))
    embeddings.save(tmp_path / "set.npz")
    wanted = np.stack([read_image(tmp_path / "faces" / name) for name in names])
    for source in (embeddings, tmp_path / "set.npz"):
        given = representative_images(source, SHAPE, folder=tmp_path / "faces")
        np.testing.assert_array_equal(given, wanted)
    with pytest.raises(InputError, match=r"set.npz: the folder of its images is unknown: give folder="):
        representative_images(tmp_path / "set.npz", SHAPE)
    with pytest.raises(InputError, match="embedding set: has no file names"):
        representative_images(EmbeddingSet(np.ones((2, 4), np.float32)), SHAPE, folder=tmp_path)


def test_bin(tmp_path: Path) -> None:
    images = [face(identity, 0) for identity in range(6)]
    write_bin(tmp_path / "pairs.bin", [encoded(image) for image in images], [True, False, True])
    np.testing.assert_array_equal(representative_images(tmp_path / "pairs.bin", SHAPE), np.stack(images))
    write_bin(tmp_path / "bad.bin", [encoded(images[0]), b"no"], [True])
    with pytest.raises(InputError, match=r"bad.bin: image 1: not an image that can be decoded"):
        representative_images(tmp_path / "bad.bin", SHAPE)


def test_refusals(tmp_path: Path) -> None:
    names = write_faces(tmp_path)
    with pytest.raises(InputError, match=rf"{names[0]}: 32x32 pixels, the model wants 112x112"):
        representative_images(tmp_path, (112, 112))
    with pytest.raises(InputError, match="no such folder"):
        representative_images(tmp_path / "none", SHAPE)
    (tmp_path / "pairs.txt").write_text("1 a b")
    with pytest.raises(InputError, match=r"pairs.txt: expected a folder of images, a .bin or an"):
        representative_images(tmp_path / "pairs.txt", SHAPE)
    with pytest.raises(InputError, match="count: expected 1 or more, got 0"):
        representative_images(tmp_path, SHAPE, count=0)
