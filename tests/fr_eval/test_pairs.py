"""Pair lists: both kinds, and the line of what is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fr_eval import EmbeddingSet, InputError
from fr_eval.protocols import read_pairs

from tests.fr_eval.faces import write_lfw_pairs


def test_official_list(tmp_path: Path) -> None:
    write_lfw_pairs(tmp_path / "pairs.txt")
    pairs = read_pairs(tmp_path / "pairs.txt")
    assert pairs.first[:4] == ("name_00/name_00_0001.jpg", "name_01/name_01_0002.jpg") + pairs.first[2:4]
    assert pairs.second[:3] == (
        "name_00/name_00_0002.jpg",
        "name_01/name_01_0003.jpg",
        "name_01/name_01_0001.jpg",
    )
    assert pairs.is_same.tolist() == [True, True, False, False] * 3
    assert pairs.folds is not None and pairs.folds.tolist() == [0] * 4 + [1] * 4 + [2] * 4


def test_some_folds(tmp_path: Path) -> None:
    write_lfw_pairs(tmp_path / "pairs.txt")
    pairs = read_pairs(tmp_path / "pairs.txt")
    some = pairs.of_folds([3, 1])
    assert (
        some.first == pairs.first[:4] + pairs.first[8:] and some.second == pairs.second[:4] + pairs.second[8:]
    )
    assert some.is_same.tolist() == [True, True, False, False] * 2
    assert some.folds is not None and some.folds.tolist() == [0] * 4 + [1] * 4
    with pytest.raises(InputError, match="folds: expected numbers from 1 to 3, got 4"):
        pairs.of_folds([1, 4])
    with pytest.raises(InputError, match="folds: expected numbers from 1 to 3, got none"):
        pairs.of_folds([])


def test_development_list_has_no_folds(tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").write_text("1\nA 1 2\nA 1 B 3\n")
    pairs = read_pairs(tmp_path / "pairs.txt")
    assert pairs.folds is None and pairs.second == ("A/A_0002.jpg", "B/B_0003.jpg")


def test_plain_list(tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").write_text("1 a/1.png a/2.png\n\n0\ta/1.png\tb/1.png\n")
    pairs = read_pairs(tmp_path / "pairs.txt")
    assert pairs.first == ("a/1.png", "a/1.png") and pairs.second == ("a/2.png", "b/1.png")
    assert pairs.is_same.tolist() == [True, False] and pairs.folds is None


def test_names_with_blanks_and_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").write_text("\ufeff1\tAnn Lee/1.png\tAnn Lee/2.png\n0\ta\tb\n", encoding="utf-8")
    pairs = read_pairs(tmp_path / "pairs.txt")
    assert pairs.first == ("Ann Lee/1.png", "a") and pairs.second == ("Ann Lee/2.png", "b")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty, expected pairs"),
        ("1 a b\n2 a b\n", r"line 2: expected '1\|0 image image', got '2 a b'"),
        ("1 a b\n0 a\n", "line 2: expected"),
        ("2\t1\nA 1 2\nA 1 B 1\n", "2 pairs, but the first line announces 4"),
        ("1\nA 1 2\nA 1 2\n", "line 3: expected 'name number name number', got 'A 1 2'"),
        ("1\nA one 2\nA 1 B 2\n", "line 2: expected 'name number number', got 'A one 2'"),
    ],
)
def test_bad_lists(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "pairs.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        read_pairs(tmp_path / "pairs.txt")


def test_binary_and_absent_files(tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(InputError, match="not a text file"):
        read_pairs(tmp_path / "pairs.txt")
    with pytest.raises(InputError, match="no such file"):
        read_pairs(tmp_path / "other.txt")


def test_lfw(shared_data: Path) -> None:
    """Both spellings of LFW's View 2 are the same pairs, and every image of them has an embedding."""
    official = read_pairs(shared_data / "lfw" / "pairs.txt")
    plain = read_pairs(shared_data / "lfw" / "pairs_ann.txt")
    assert official.folds is not None and np.bincount(official.folds).tolist() == [600] * 10
    assert official.is_same.sum() == 3000
    embeddings = EmbeddingSet.load(shared_data / "embeddings" / "lfw_mobilefacenet192.npz")
    np.testing.assert_array_equal(embeddings.rows_of(official.first), embeddings.rows_of(plain.first))
    np.testing.assert_array_equal(embeddings.rows_of(official.second), embeddings.rows_of(plain.second))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0\t0\n", "line 1: announces no pairs"),
        ("1\t1\nA\t1\t\u00b2\nA\t1\tB\t2\n", "line 2: expected 'name number number'"),
    ],
)
def test_numbers_of_official_lists(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "pairs.txt").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_pairs(tmp_path / "pairs.txt")
