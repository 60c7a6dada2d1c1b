"""The files that the documentation's commands find in their folder: small, made up, the same every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from fr_eval import EmbeddingSet
from fr_eval.embed import embed_folder

from tests.fr_eval.faces import pixel_embedder, write_faces, write_lfw_pairs, write_onnx
from tests.fr_eval.ijb_files import write_layout
from tests.fr_export import fake_adb


def write_example_files(folder: Path) -> None:
    """Write faces/, pairs.txt, net.onnx with its sidecar, IJBC/meta/ijbc_*, gallery.npz and probes.npz.

    And a phone: ``adb`` in platform-tools/, which plays one, and a ``benchmark_model`` for it.
    """
    names = write_faces(folder / "faces")
    write_lfw_pairs(folder / "pairs.txt")
    write_onnx(folder / "net.onnx")
    write_layout(folder / "IJBC" / "meta", names, "ijbc")
    whole = embed_folder(folder / "faces", pixel_embedder, folder / "all.npz")
    enrolled = np.arange(0, 12, 3)
    whole.subset(enrolled).save(folder / "gallery.npz")
    whole.subset(np.setdiff1d(np.arange(18), enrolled)).save(folder / "probes.npz")
    assert EmbeddingSet.load(folder / "gallery.npz").labels is not None
    (folder / "all.npz").unlink()
    fake_adb.install(folder / "platform-tools")
    (folder / "benchmark_model").write_bytes(b"\x7fELF")
