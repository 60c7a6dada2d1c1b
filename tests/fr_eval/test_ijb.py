"""The IJB layout: what is read, which row is whose, and the line of what is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fr_eval import EmbeddingSet, InputError
from fr_eval.protocols import IjbLayout

from tests.fr_eval.ijb_files import write_layout

NAMES = [f"name_{person:02d}/name_{person:02d}_{image:04d}.jpg" for person in range(4) for image in (1, 2, 3)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_layout(tmp_path / "meta", NAMES)
    return tmp_path


def test_read(folder: Path) -> None:
    layout = IjbLayout.read(folder, "ijbt")
    assert layout.names == tuple(NAMES) and layout.folder == folder / "meta"
    assert layout.templates.tolist() == [0, 0, 1, 2, 2, 3, 4, 4, 5, 6, 6, 7]
    assert layout.landmarks.shape == (12, 5, 2) and layout.landmarks[0, 0].tolist() == [38.295, 51.696]
    pairs = layout.pairs()
    assert len(pairs.first) == 16 and pairs.is_same.sum() == 4
    galleries = layout.galleries()
    assert list(galleries) == ["G1", "G2"]
    assert galleries["G1"].templates.tolist() == [0, 4] and galleries["G1"].subjects.tolist() == [0, 2]
    assert layout.probes().templates.tolist() == [1, 3, 5, 7]


def test_rows_by_position_or_name(folder: Path, rng: np.random.Generator) -> None:
    layout = IjbLayout.read(folder, "ijbt")
    rows = rng.standard_normal((12, 3)).astype(np.float32)
    assert layout.rows_in(EmbeddingSet(rows)).tolist() == list(range(12))
    shuffled = rng.permutation(12)
    named = EmbeddingSet(rows, np.array(NAMES)[shuffled])
    assert np.array(NAMES)[shuffled][layout.rows_in(named)].tolist() == NAMES
    with pytest.raises(InputError, match="11 rows without filenames for 12 images"):
        layout.rows_in(EmbeddingSet(rows[:11]))
    with pytest.raises(InputError, match=r"1 images are not in the embedding set: name_00/name_00_0001.jpg"):
        layout.rows_in(named.subset(np.flatnonzero(shuffled != 0)))


def rewrite(path: Path, line: int, text: str) -> None:
    lines = path.read_text().splitlines()
    lines[line] = text
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("file", "line", "text", "message"),
    [
        (
            "face_tid_mid.txt",
            2,
            f"{NAMES[2]} one 3",
            "face_tid_mid.txt: line 3: 'one', expected a whole number",
        ),
        ("face_tid_mid.txt", 2, f"{NAMES[2]} 1.5 3", "line 3: '1.5', expected a whole number"),
        (
            "face_tid_mid.txt",
            2,
            f"{NAMES[2]} {10**25} 3",
            "line 3: '1" + "0" * 25 + "', expected a whole number",
        ),
        ("face_tid_mid.txt", 2, f"{NAMES[2]} 1", "line 3: fewer than 3 fields"),
        ("face_tid_mid.txt", 2, f"{NAMES[2]} 1 3 4", "Expected 3 fields in line 3, saw 4"),
        ("name_5pts_score.txt", 4, NAMES[4] + " 1" * 10 + " nan", "line 5: 'nan', expected a number"),
        ("name_5pts_score.txt", 0, "other.jpg" + " 1" * 11, "line 1 is not about the image of"),
    ],
)
def test_bad_meta(folder: Path, file: str, line: int, text: str, message: str) -> None:
    rewrite(folder / "meta" / f"ijbt_{file}", line, text)
    with pytest.raises(InputError, match=message):
        IjbLayout.read(folder, "ijbt")


def test_bad_protocol_files(folder: Path) -> None:
    layout = IjbLayout.read(folder, "ijbt")
    rewrite(layout.folder / "ijbt_template_pair_label.txt", 3, "0 7 2")
    with pytest.raises(InputError, match="line 4: label 2, expected 0 or 1"):
        layout.pairs()
    rewrite(layout.folder / "ijbt_1N_gallery_G1.csv", 2, "0,9,x.jpg")
    with pytest.raises(
        InputError, match=r"ijbt_1N_gallery_G1.csv: line 3: template 0 has a second subject 9"
    ):
        layout.galleries()
    (layout.folder / "ijbt_1N_probe_mixed.csv").unlink()
    with pytest.raises(InputError, match=r"ijbt_1N_probe_mixed.csv: no such file"):
        layout.probes()
    with pytest.raises(InputError, match=r"ijbx_face_tid_mid.txt: no such file"):
        IjbLayout.read(folder, "ijbx")
    with pytest.raises(InputError, match="no such folder"):
        IjbLayout.read(folder / "nowhere", "ijbt")


@pytest.mark.parametrize(
    ("line", "text", "message"),
    [
        (0, "3,7", "line 1: expected a header, got the number 3"),
        (1, f"{10**25},7", "line 2: '1" + "0" * 25 + "', expected a whole number"),
    ],
)
def test_bad_probes(folder: Path, line: int, text: str, message: str) -> None:
    layout = IjbLayout.read(folder, "ijbt")
    rewrite(layout.folder / "ijbt_1N_probe_mixed.csv", line, text)
    with pytest.raises(InputError, match=message):
        layout.probes()
