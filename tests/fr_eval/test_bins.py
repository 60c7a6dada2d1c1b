"""``.bin`` files: every dialect is read, and a hostile pickle runs nothing."""

from __future__ import annotations

import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fr_eval import InputError
from fr_eval.protocols import read_bin, write_bin

from tests.fr_eval.faces import encoded, face

IMAGES = [encoded(face(identity, 0)) for identity in (0, 0, 1, 2)]
SAME = [True, False]


def dump(path: Path, content: Any, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("as_arrays", [False, True])
@pytest.mark.parametrize("labels", [SAME, np.array(SAME), [np.bool_(True), np.bool_(False)], [1, 0]])
def test_every_dialect(tmp_path: Path, protocol: int, as_arrays: bool, labels: Any) -> None:
    images = [np.frombuffer(image, np.uint8) for image in IMAGES] if as_arrays else IMAGES
    loaded = read_bin(dump(tmp_path / "set.bin", (images, labels), protocol))
    assert list(loaded.images) == IMAGES
    assert loaded.is_same.tolist() == SAME


def test_python_2(tmp_path: Path) -> None:
    """Python 2's cPickle writes byte strings with the opcode of text."""

    def py2_string(content: bytes) -> bytes:
        return b"T" + struct.pack("<I", len(content)) + content

    strings = b"(" + b"".join(map(py2_string, IMAGES)) + b"l"
    (tmp_path / "set.bin").write_bytes(b"\x80\x02(" + strings + b"(\x88\x89l" + b"t.")
    loaded = read_bin(tmp_path / "set.bin")
    assert list(loaded.images) == IMAGES


def test_written_files_are_plain_pickles(tmp_path: Path) -> None:
    write_bin(tmp_path / "set.bin", IMAGES, SAME)
    with (tmp_path / "set.bin").open("rb") as file:
        images, labels = pickle.Unpickler(file, encoding="bytes").load()
    assert (images, labels) == (IMAGES, SAME)
    assert list(read_bin(tmp_path / "set.bin").images) == IMAGES


class Call:
    """Pickles as a call of any function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


def hostile(marker: Path) -> dict[str, bytes]:
    command = f"touch {marker}"
    touch = pickle.dumps(Call(os.system, command))
    in_array = np.array([Call(os.system, command)], dtype=object)
    run = f"exec(\"open({str(marker)!r}, 'w')\")"
    return {
        "system": touch,
        "nested": pickle.dumps(([IMAGES[0], Call(os.system, command)], [True])),
        "object array": pickle.dumps(([in_array], [True])),
        "exec": pickle.dumps(Call(exec, run)),
        "getattr": b"cbuiltins\ngetattr\n.",
        "numpy function": b"cnumpy\nfromfile\n(S'/etc/hostname'\ntR.",
        "numpy attribute": b"\x80\x04\x8c\x05numpy\x8c\x0dndarray.dumps\x93.",
        "stack global": b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85R.",
        "codecs": b"c_codecs\ndecode\n(S'aa'\nS'hex'\ntR.",
        "encode hex": b"c_codecs\nencode\n(Vaa\nVzip\ntR.",
        "build on a stand-in": b"cnumpy\ndtype\n}S'name'\nI1\nsb.",
        "instance": b"(S'id'\nios\nsystem\n.",
        "extension": b"\x80\x02\x82\x01.",
        "persistent": b"Pid\n.",
        "ndarray call": b"cnumpy\nndarray\n(I9999999\ntR.",
        "huge array": b"cnumpy.core.multiarray\n_reconstruct\n(tR(I1\n(I99999999\nI99999999\nt"
        b"cnumpy\ndtype\n(S'u1'\ntRI00\nS''\ntb.",
    }


@pytest.mark.parametrize("kind", hostile(Path("marker")))
def test_hostile_pickles_run_nothing(tmp_path: Path, kind: str) -> None:
    marker = tmp_path / "marker"
    (tmp_path / "set.bin").write_bytes(hostile(marker)[kind])
    with pytest.raises(
        InputError, match=r"set\.bin: (refused, the pickle asks for|not a readable pickle|expected)"
    ):
        read_bin(tmp_path / "set.bin")
    assert not marker.exists()
    assert list(read_bin(dump(tmp_path / "good.bin", (IMAGES, SAME))).images) == IMAGES


def test_damaged_and_wrong_files(tmp_path: Path) -> None:
    path = dump(tmp_path / "set.bin", (IMAGES, SAME))
    whole = path.read_bytes()
    for kept in range(0, len(whole), 97):
        path.write_bytes(whole[:kept])
        with pytest.raises(InputError, match="not a readable pickle"):
            read_bin(path)
    for content, message in (
        ((IMAGES, [True]), "4 images for 1 pairs, expected 2"),
        ((IMAGES, []), "not empty"),
        (IMAGES, "expected a pair"),
        ((IMAGES, [True, 2]), "something else than booleans"),
        ((IMAGES, [np.array([True]), np.array([False])]), "something else than booleans"),
        ((IMAGES, np.array([[True], [False]])), "something else than booleans"),
        (([np.array(3, np.uint8)] * 4, SAME), "image 0 is neither bytes nor a vector"),
        (([1, 2, 3, 4], SAME), "image 0 is neither bytes nor a vector of uint8"),
        ({"images": IMAGES}, "refused, the pickle asks for an object of type dict"),
    ):
        with pytest.raises(InputError, match=message):
            read_bin(dump(path, content))
    with pytest.raises(InputError, match="no such file"):
        read_bin(tmp_path / "other.bin")
    with pytest.raises(InputError, match="4 images for 1 pairs"):
        write_bin(path, IMAGES, [True])


def test_real_bin(shared_data: Path) -> None:
    """insightface's sample holds NumPy arrays, not bytes."""
    loaded = read_bin(shared_data / "insightface_samples" / "small_lfw.bin")
    assert len(loaded.images) == 20 and len(loaded.is_same) == 10
    assert all(image.startswith((b"\xff\xd8", b"\x89PNG")) for image in loaded.images)


def test_lists_of_lists_ask_for_no_exponential_work(tmp_path: Path) -> None:
    nested: list[Any] = [IMAGES[0]]
    for _ in range(60):
        nested = [nested, nested]
    with pytest.raises(InputError, match="image 0 is neither bytes nor a vector"):
        read_bin(dump(tmp_path / "set.bin", (nested, [True])))
