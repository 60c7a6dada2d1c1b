"""Parity against plain NumPy, on made-up embeddings and on real faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fr_eval import InputError
from fr_eval.protocols import PairList, read_pairs
from fr_export.parity import compare, embedded, judged, tells_faces_apart
from scipy import stats

from tests.fr_eval.faces import write_faces, write_lfw_pairs, write_onnx

N_PERSONS, N_IMAGES, DIM = 60, 4, 32
Case = tuple[list[str], PairList, np.ndarray]


@pytest.fixture
def case(rng: np.random.Generator) -> Case:
    """Persons of four images, and as many pairs of one as of two of them, in ten folds."""
    names = [f"p{person}/{image}.jpg" for person in range(N_PERSONS) for image in range(N_IMAGES)]
    centres = rng.normal(size=(N_PERSONS, 1, DIM))
    rows = (centres + 0.9 * rng.normal(size=(N_PERSONS, N_IMAGES, DIM))).reshape(-1, DIM).astype(np.float32)
    first, second, same = [], [], []
    for person in range(N_PERSONS):
        for image in range(N_IMAGES):
            for other in (person, (person + image + 1) % N_PERSONS):
                first.append(f"p{person}/{image}.jpg")
                second.append(f"p{other}/{(image + 1) % N_IMAGES}.jpg")
                same.append(other == person)
    return names, PairList(tuple(first), tuple(second), np.array(same)), rows


def noisy(rows: np.ndarray, noise: float) -> np.ndarray:
    return (rows + noise * np.random.default_rng(1).normal(size=rows.shape)).astype(np.float32)


def scores_of(case: Case, rows: np.ndarray) -> np.ndarray:
    names, pairs, _ = case
    unit = rows.astype(np.float64) / np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    return np.array(
        [unit[names.index(a)] @ unit[names.index(b)] for a, b in zip(pairs.first, pairs.second, strict=True)]
    )


def test_cosines(case: Case) -> None:
    names, pairs, rows = case
    exported = noisy(rows, 0.2)
    exported[7] = -3 * exported[7]  # one image whose embedding points away
    parity = compare(Path("x.tflite"), names, pairs, rows, exported)
    expected = [
        np.dot(a, b) / np.sqrt(np.dot(a, a) * np.dot(b, b))
        for a, b in zip(rows.astype(np.float64), exported.astype(np.float64), strict=True)
    ]
    np.testing.assert_allclose(parity.cosines, expected, atol=1e-12)
    assert parity.worst_image == names[7] and parity.min_cosine < -0.9
    assert parity.p01_cosine == pytest.approx(np.quantile(expected, 0.01))
    assert parity.mean_cosine == pytest.approx(np.mean(expected))


def test_length_does_not_count(case: Case) -> None:
    """A wrapper's embeddings have unit length, the source's any."""
    names, pairs, rows = case
    parity = compare(Path("x"), names, pairs, rows, rows / np.linalg.norm(rows, axis=1, keepdims=True))
    assert parity.min_cosine > 1 - 1e-6 and parity.max_difference < 1e-6
    assert parity.accuracy_change.value == 0.0
    assert parity.accuracy_change.low == pytest.approx(-3 / len(pairs.first))  # the rule of three


def test_verification_by_a_plain_loop(case: Case) -> None:
    names, pairs, rows = case
    exported = noisy(rows, 0.8)
    parity = compare(Path("x"), names, pairs, rows, exported)
    before, after = scores_of(case, rows), scores_of(case, exported)
    for point in parity.points:
        allowed = int(point.before.far * (~pairs.is_same).sum() + 1e-9)
        for scores, told in ((before, point.before), (after, point.after)):
            impostor = np.sort(scores[~pairs.is_same])[::-1]
            threshold = impostor[allowed - 1] - 1e-6 if allowed else impostor[0] + 1e-6
            assert told.tar == pytest.approx((scores[pairs.is_same] >= threshold).mean())
        threshold = point.before.threshold - 1e-6
        assert point.at_source_threshold.count == (after[~pairs.is_same] >= threshold).sum()
        assert point.tar_change.value == pytest.approx(point.after.tar - point.before.tar)
        assert point.tar_change.low <= point.tar_change.value <= point.tar_change.high
    assert parity.points[0].tar_change.high < 0  # so much noise is no accident
    folds = np.array([np.full(48, fold) for fold in range(10)]).ravel()
    for judge in (parity.before, parity.after):
        right = (judge.scores >= np.array(judge.kfold.threshold.folds)[folds]) == pairs.is_same
        assert judge.kfold.accuracy.mean == pytest.approx(right.mean())


def test_interval_is_mcnemars_where_pairs_are_independent(case: Case) -> None:
    """Each pair its own person: the interval of the accuracy's change is the textbook's, nearly."""
    names, pairs, rows = case
    alone = {name: f"{name[1:].replace('/', '_')}" for name in names}
    renamed = PairList(
        tuple(alone[name] for name in pairs.first), tuple(alone[name] for name in pairs.second), pairs.is_same
    )
    parity = compare(Path("x"), [alone[name] for name in names], renamed, rows, noisy(rows, 0.8))
    folds = np.repeat(np.arange(10), 48)
    right_before, right_after = (
        (judge.scores >= np.array(judge.kfold.threshold.folds)[folds]) == pairs.is_same
        for judge in (parity.before, parity.after)
    )
    gained = right_after.astype(int) - right_before.astype(int)
    # Two pairs, of either class, have the same first image here, and are drawn together.
    together = gained.reshape(-1, 2).sum(axis=1)
    half = stats.norm.ppf(0.975) * together.std() * np.sqrt(len(together)) / len(gained)
    change = parity.accuracy_change
    assert change.high - change.low == pytest.approx(2 * half, rel=0.2)


@pytest.mark.parametrize(
    ("accepted", "verdict"), [(0, "holds"), (24, "holds"), (30, "unclear"), (60, "exceeded")]
)
def test_verdict(case: Case, accepted: int, verdict: str) -> None:
    """At FAR 0.1 of 240 impostor pairs, 24 may be accepted; 60 are far too many."""
    from dataclasses import replace

    from fr_eval import Rate

    names, pairs, rows = case
    point = compare(Path("x"), names, pairs, rows, rows).points[0]
    assert point.at_source_threshold == Rate(24, 240) and point.verdict == "holds"
    assert replace(point, at_source_threshold=Rate(accepted, 240)).verdict == verdict


def test_tells_faces_apart(case: Case, rng: np.random.Generator) -> None:
    names, pairs, rows = case
    assert tells_faces_apart(judged(rows, names, pairs), pairs)
    one_vector = (rng.normal(size=DIM) + 0.01 * rows).astype(np.float32)
    assert not tells_faces_apart(judged(one_vector, names, pairs), pairs)
    chance = rng.normal(size=rows.shape).astype(np.float32)
    assert not tells_faces_apart(judged(chance, names, pairs), pairs)


def test_other_dimensions(case: Case) -> None:
    names, pairs, rows = case
    with pytest.raises(InputError, match=r"x.onnx: embeddings of 16 dimensions, the source's have 32"):
        compare(Path("x.onnx"), names, pairs, rows, rows[:, :16])


def test_embedded_says_which_model(tmp_path: Path) -> None:
    write_faces(tmp_path / "faces")
    write_lfw_pairs(tmp_path / "pairs.txt")
    pairs = read_pairs(tmp_path / "pairs.txt")
    wanted = sorted({*pairs.first, *pairs.second})
    write_onnx(tmp_path / "net.onnx", size=64)
    with pytest.raises(InputError, match=r"net.onnx: .*_0001.jpg: 32x32 pixels, the model wants 64x64"):
        embedded(tmp_path / "net.onnx", tmp_path / "faces", wanted, tmp_path / "partial")
    (tmp_path / "net.json").unlink()
    with pytest.raises(InputError, match=r"net.onnx: its preprocessing is unknown"):
        embedded(tmp_path / "net.onnx", tmp_path / "faces", wanted, tmp_path / "partial")
