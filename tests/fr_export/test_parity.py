"""Parity against plain NumPy, on made-up embeddings and on real faces."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fr_eval import InputError, Rate
from fr_eval.embedders import load_embedder
from fr_eval.protocols import PairList, read_pairs
from fr_export._paired import PersonDraws
from fr_export.parity import PairTest, compare, embedded, tells_faces_apart
from fr_export.parity_result import Parity
from scipy import stats

from tests.fr_eval.faces import write_faces, write_lfw_pairs, write_onnx

N_PERSONS, N_IMAGES, DIM = 60, 4, 32
Case = tuple[list[str], PairList, np.ndarray]


@pytest.fixture
def case(rng: np.random.Generator) -> Case:
    """Persons of four images, and as many pairs of one as of two of them, in ten folds."""
    names = [f"p{person:02d}/{image}.jpg" for person in range(N_PERSONS) for image in range(N_IMAGES)]
    centres = rng.normal(size=(N_PERSONS, 1, DIM))
    rows = (centres + 0.9 * rng.normal(size=(N_PERSONS, N_IMAGES, DIM))).reshape(-1, DIM).astype(np.float32)
    first, second, same = [], [], []
    for person in range(N_PERSONS):
        for image in range(N_IMAGES):
            for other in (person, (person + image + 1) % N_PERSONS):
                first.append(f"p{person:02d}/{image}.jpg")
                second.append(f"p{other:02d}/{(image + 1) % N_IMAGES}.jpg")
                same.append(other == person)
    return names, PairList(tuple(first), tuple(second), np.array(same)), rows


def compared(pairs: PairList, rows: np.ndarray, exported: np.ndarray, path: str = "x.tflite") -> Parity:
    test = PairTest(pairs)
    return compare(Path(path), test, rows, test.judge(rows), exported)


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
    parity = compared(pairs, rows, exported)
    expected = [
        np.dot(a, b) / np.sqrt(np.dot(a, a) * np.dot(b, b))
        for a, b in zip(rows.astype(np.float64), exported.astype(np.float64), strict=True)
    ]
    np.testing.assert_allclose(parity.cosines, expected, atol=1e-12)
    assert parity.worst_image == names[7] and parity.min_cosine < -0.9
    assert parity.p01_cosine == pytest.approx(np.quantile(expected, 0.01))
    assert parity.mean_cosine == pytest.approx(np.mean(expected))


def test_a_copy_passes_at_1(case: Case) -> None:
    """The cosine of equal embeddings may be less than 1 by rounding."""
    _, pairs, rows = case
    parity = compared(pairs, rows, rows)
    assert replace(parity, cosines=np.array([1.0, np.nextafter(1.0, 0.0)])).passes(1.0)
    assert not replace(parity, cosines=np.array([1.0, 1.0 - 1e-9])).passes(1.0)


def test_last_digits_do_not_move_the_pair_that_sets_a_threshold(case: Case) -> None:
    """A file that rounds nothing accepts as many impostors at the source's threshold as the source."""
    _, pairs, rows = case
    for seed in range(5):
        last = 1 + 1e-7 * np.random.default_rng(seed).normal(size=rows.shape)
        parity = compared(pairs, rows, (rows * last).astype(np.float32))
        assert [point.at_source_threshold.count for point in parity.points] == [24, 2, 0]
        assert [point.before.false_accepts.count for point in parity.points] == [24, 2, 0]


def test_length_does_not_count(case: Case) -> None:
    """A wrapper's embeddings have unit length, the source's any."""
    _, pairs, rows = case
    parity = compared(pairs, rows, rows / np.linalg.norm(rows, axis=1, keepdims=True))
    assert parity.min_cosine > 1 - 1e-6 and parity.max_unit_difference < 1e-6
    assert parity.accuracy_change.value == 0.0
    assert parity.accuracy_change.low == pytest.approx(-3 / len(pairs.first))  # the rule of three


def test_verification_by_a_plain_loop(case: Case) -> None:
    _, pairs, rows = case
    exported = noisy(rows, 0.8)
    parity = compared(pairs, rows, exported)
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
    parity = compared(renamed, rows, noisy(rows, 0.8))
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


@pytest.mark.parametrize(("n_impostor", "measurable"), [(10, True), (9, False)])
def test_a_far_that_few_pairs_do_not_show(case: Case, n_impostor: int, measurable: bool) -> None:
    """FAR 0.1 is one of ten pairs."""
    _, pairs, rows = case
    point = replace(compared(pairs, rows, rows).points[0], at_source_threshold=Rate(0, n_impostor))
    told = point.to_json()
    figures = [told["before"]["tar"], told["after"]["tar"], told["tar_change"]]
    assert point.measurable == measurable and [figure is not None for figure in figures] == [measurable] * 3


@pytest.mark.parametrize(
    ("accepted", "of", "low", "verdict"),
    [
        (24, 240, 0.06, "holds"),
        (30, 240, 0.09, "unclear"),
        (30, 240, 0.11, "exceeded"),
        (60, 240, 0.18, "exceeded"),
        (0, 240, 0.0, "holds"),
        (0, 30, 0.0, "holds"),
        (0, 29, 0.0, "unclear"),  # the rule of three allows as much as 3 / 29
    ],
)
def test_verdict(case: Case, accepted: int, of: int, low: float, verdict: str) -> None:
    """At FAR 0.1, by the interval over draws of persons, and by the rule of three."""
    _, pairs, rows = case
    point = compared(pairs, rows, rows).points[0]
    assert point.at_source_threshold == Rate(24, 240) and point.verdict == "holds"
    changed = replace(point, at_source_threshold=Rate(accepted, of), far_interval=(low, 0.3))
    assert changed.verdict == verdict
    told = changed.to_json()["at_source_threshold"]
    assert told["few"] == (accepted < 30) and told["below_if_zero"] == (None if accepted else 3 / of)


def test_threshold_on_impostor_pairs_of_one_person(case: Case) -> None:
    """The smallest rounding accepts one of few, and no interval tells that by chance it would be none."""
    names, pairs, rows = case
    mine = [row for row, name in enumerate(pairs.first) if name.startswith("p07/")] * 5
    first, second = (tuple(side[row] for row in mine) for side in (pairs.first, pairs.second))
    alone = PairList(first, second, pairs.is_same[mine])
    used = [names.index(name) for name in sorted({*first, *second})]
    for exported in (rows, noisy(rows, 0.5)):
        points = compared(alone, rows[used], exported[used]).points
        assert [point.verdict for point in points] == ["not judged"] * 3


def test_interval_of_false_accepts(case: Case, rng: np.random.Generator) -> None:
    """Wider than Wilson's, of pairs that are independent, where a person's pairs fail together."""
    _, pairs, rows = case
    exported = noisy(rows, 0.3)
    together = np.repeat(rng.random(N_PERSONS) < 0.3, N_IMAGES)
    exported[together] = exported[together].mean(axis=0) + 0.1 * exported[together]
    point = compared(pairs, rows, exported).points[0]
    low, high = point.at_source_threshold.interval
    assert point.at_source_threshold.count > 24
    assert point.far_interval[0] <= point.at_source_threshold.value <= point.far_interval[1]
    assert point.far_interval[1] - point.far_interval[0] > 1.1 * (high - low)


def test_draws_are_of_persons_with_all_their_pairs(case: Case) -> None:
    _, pairs, _ = case
    persons = [name.partition("/")[0] for name in pairs.first]
    seen: list[np.ndarray] = []
    draws = PersonDraws(persons, pairs.is_same)
    draws.intervals(lambda drawn: [float(seen.append(drawn) or 0)])
    again: list[np.ndarray] = []
    draws.intervals(lambda drawn: [float(again.append(drawn) or 0)])
    assert len(seen) == 500 and all(map(np.array_equal, seen, again))
    for drawn in seen[:20]:
        assert len(drawn) == len(persons)  # each person has as many pairs
        times = np.bincount(drawn, minlength=len(persons)).reshape(N_PERSONS, -1)
        assert (times == times[:, :1]).all() and times[:, 0].sum() == N_PERSONS
    assert len({tuple(drawn) for drawn in seen}) == 500


def test_tells_faces_apart(case: Case, rng: np.random.Generator) -> None:
    _, pairs, rows = case
    test = PairTest(pairs)
    assert tells_faces_apart(test.judge(rows), pairs)
    one_vector = (rng.normal(size=DIM) + 0.01 * rows).astype(np.float32)
    assert not tells_faces_apart(test.judge(one_vector), pairs)
    chance = rng.normal(size=rows.shape).astype(np.float32)
    assert not tells_faces_apart(test.judge(chance), pairs)


def test_other_dimensions(case: Case) -> None:
    _, pairs, rows = case
    with pytest.raises(InputError, match=r"x.onnx: embeddings of 16 dimensions, the source's have 32"):
        compared(pairs, rows, rows[:, :16], "x.onnx")


def test_pairs_are_checked_before_anything_is_embedded(case: Case) -> None:
    """A plain list in the order of its labels has folds of one class."""
    _, pairs, _ = case
    order = np.argsort(pairs.is_same, kind="stable")

    def listed(rows: np.ndarray) -> PairList:
        first, second = (tuple(side[row] for row in rows) for side in (pairs.first, pairs.second))
        return PairList(first, second, pairs.is_same[rows])

    message = r"list.txt: fold 1 of 10 holds impostor pairs only, expected both: a plain list is cut in its"
    with pytest.raises(InputError, match=message):
        PairTest(listed(order), "list.txt")
    with pytest.raises(InputError, match=r"list.txt: 9 pairs, expected 10 or more"):
        PairTest(listed(np.arange(9)), "list.txt")
    own = replace(pairs, folds=np.repeat([3, 7], [1, 479]))
    with pytest.raises(InputError, match=r"pairs: fold 1 of 2 holds genuine pairs only, expected both$"):
        PairTest(own)


def test_embedded_says_which_model(tmp_path: Path) -> None:
    write_faces(tmp_path / "faces")
    write_lfw_pairs(tmp_path / "pairs.txt")
    pairs = read_pairs(tmp_path / "pairs.txt")
    wanted = sorted({*pairs.first, *pairs.second})
    write_onnx(tmp_path / "net.onnx", size=64)
    embedder = load_embedder(tmp_path / "net.onnx")
    with pytest.raises(InputError, match=r"net.onnx: .*_0001.jpg: 32x32 pixels, the model wants 64x64"):
        embedded(tmp_path / "net.onnx", embedder, tmp_path / "faces", wanted, tmp_path / "partial")
