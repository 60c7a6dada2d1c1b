"""Input that gives no right number: every function says so in one line, and never returns one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fr_native
import numpy as np
import pytest
from fr_native import _core, _pair_brackets, _pair_shard

ROWS = np.eye(4, dtype=np.float32)
IDS = np.array([0, 0, 1, 1])
SCORES = np.array([0.1, 0.2, 0.3, 0.4], dtype=np.float32)
GALLERY = fr_native.Gallery(ROWS)

# What takes rows, numbers of rows, scores, target rates or thresholds, and options.
OF_ROWS: dict[str, Callable[[Any], Any]] = {
    "Gallery": fr_native.Gallery,
    "search": lambda rows: GALLERY.search(rows, 1),
    "identify, probes": lambda rows: fr_native.identify(rows, ROWS, IDS, IDS),
    "identify, gallery": lambda rows: fr_native.identify(ROWS, rows, IDS, IDS),
    "pair_scores": lambda rows: fr_native.pair_scores(rows, IDS, IDS),
    "all_pairs": lambda rows: fr_native.all_pairs(rows, IDS, [0.5]),
}
OF_IDS: dict[str, Callable[[Any], Any]] = {
    "identify, probe_ids": lambda ids: fr_native.identify(ROWS, ROWS, ids, IDS),
    "identify, gallery_ids": lambda ids: fr_native.identify(ROWS, ROWS, IDS, ids),
    "pair_scores, i": lambda rows: fr_native.pair_scores(ROWS, rows, IDS),
    "pair_scores, j": lambda rows: fr_native.pair_scores(ROWS, IDS, rows),
    "tpir, mate_ranks": lambda ranks: fr_native.tpir(SCORES, ranks, [0.0], [1]),
    "tpir, ranks": lambda ranks: fr_native.tpir(SCORES, IDS, [0.0], ranks),
    "all_pairs, ids": lambda ids: fr_native.all_pairs(ROWS, ids, [0.5]),
    "all_pairs, groups": lambda groups: fr_native.all_pairs(ROWS, IDS, [0.5], groups),
}
OF_SCORES: dict[str, Callable[[Any], Any]] = {
    "sort_scores": fr_native.sort_scores,
    "far_thresholds": lambda scores: fr_native.far_thresholds(scores, [0.5]),
    "score_counts, genuine": lambda scores: fr_native.score_counts(scores, SCORES, [0.5]),
    "score_counts, impostor": lambda scores: fr_native.score_counts(SCORES, scores, [0.5]),
    "tpir": lambda scores: fr_native.tpir(scores, IDS, [0.0], [1]),
    "update": lambda scores: fr_native.ScoreHistogram().update(scores),
}
OF_FARS: dict[str, Callable[[Any], Any]] = {
    "far_thresholds": lambda fars: fr_native.far_thresholds(SCORES, fars),
    "refine": lambda fars: histogram_of(SCORES).refine(fars),
    "all_pairs": lambda fars: fr_native.all_pairs(ROWS, IDS, fars),
}
OF_THRESHOLDS: dict[str, Callable[[Any], Any]] = {
    "score_counts": lambda thresholds: fr_native.score_counts(SCORES, SCORES, thresholds),
    "tpir": lambda thresholds: fr_native.tpir(SCORES, IDS, thresholds, [1]),
}
OF_K: dict[str, Callable[[Any], Any]] = {
    "search": lambda k: GALLERY.search(ROWS, k),
    "identify": lambda k: fr_native.identify(ROWS, ROWS, IDS, IDS, k),
}
OF_THREADS: dict[str, Callable[[Any], Any]] = {
    "Gallery": lambda threads: fr_native.Gallery(ROWS, threads=threads),
    "search": lambda threads: GALLERY.search(ROWS, 1, threads=threads),
    "identify": lambda threads: fr_native.identify(ROWS, ROWS, IDS, IDS, threads=threads),
    "pair_scores": lambda threads: fr_native.pair_scores(ROWS, IDS, IDS, threads=threads),
    "sort_scores": lambda threads: fr_native.sort_scores(SCORES, threads=threads),
    "far_thresholds": lambda threads: fr_native.far_thresholds(SCORES, [0.5], threads=threads),
    "score_counts": lambda threads: fr_native.score_counts(SCORES, SCORES, [0.5], threads=threads),
    "tpir": lambda threads: fr_native.tpir(SCORES, IDS, [0.0], [1], threads=threads),
    "update": lambda threads: fr_native.ScoreHistogram().update(SCORES, threads=threads),
    "all_pairs": lambda threads: fr_native.all_pairs(ROWS, IDS, [0.5], threads=threads),
}


@pytest.fixture(autouse=True)
def small_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pair_brackets, "_sample_size", lambda n_impostor: 1000)


def each(functions: dict[str, Callable[[Any], Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("function", functions.values(), ids=functions)


def histogram_of(scores: np.ndarray) -> fr_native.ScoreHistogram:
    histogram = fr_native.ScoreHistogram()
    histogram.update(scores)
    return histogram


def refusal(call: Callable[..., Any], *arguments: Any) -> str:
    """The one line that a call refuses its arguments with."""
    with pytest.raises((ValueError, TypeError, IndexError)) as refused:
        call(*arguments)
    message = str(refused.value)
    assert message.strip() and "\n" not in message
    return message


@each(OF_ROWS)
@pytest.mark.parametrize("large", [1e300, -1e39, np.longdouble("1e4000")])
def test_rows_beyond_float32_are_named(function: Callable[[Any], Any], large: float) -> None:
    rows = ROWS.astype(np.longdouble if isinstance(large, np.longdouble) else np.float64)
    rows[1, 2] = large
    assert "row 1 " in refusal(function, rows)


@each(OF_ROWS)
def test_rows_that_vanish_in_float32_are_named(function: Callable[[Any], Any]) -> None:
    rows = ROWS.astype(np.float64)
    rows[1] *= 1e-300
    with np.errstate(all="raise"):
        assert "row 1 is all zeros" in refusal(function, rows)


@each(OF_SCORES)
def test_scores_beyond_float64(function: Callable[[Any], Any]) -> None:
    refusal(function, np.array([0, np.longdouble("1e4000"), 0, 0]))


def test_scores_beyond_float32() -> None:
    scores = np.array([0, 1e300, 0, 0])
    assert " 1 " in refusal(fr_native.ScoreHistogram().update, scores)
    assert " 1 " in refusal(lambda: fr_native.identify(ROWS, ROWS, IDS, IDS, mate_elsewhere=scores))


@each(OF_ROWS | OF_SCORES)
@pytest.mark.parametrize("wrong", [None, "x", {}, object, ["x"], [None], [[[0.5]]]])
def test_no_array(function: Callable[[Any], Any], wrong: object) -> None:
    refusal(function, wrong)


@each(OF_IDS | OF_FARS | OF_THRESHOLDS)
@pytest.mark.parametrize("wrong", [[[1], [1, 2], 3, 4], "x", ["x", None], {}, object, [1j], [None]])
def test_no_numbers(function: Callable[[Any], Any], wrong: object) -> None:
    refusal(function, wrong)


@each(OF_FARS)
@pytest.mark.parametrize(
    "wrong",
    [["0.5"], [b"0.5"], [True], [0.5 + 0.1j], [np.timedelta64(0, "s")], np.array([0.5], object)],
    ids=lambda wrong: np.asarray(wrong).dtype.name,
)
def test_targets_that_only_convert_to_numbers(function: Callable[[Any], Any], wrong: object) -> None:
    refusal(function, wrong if isinstance(wrong, np.ndarray) else np.array(wrong))


@each(OF_FARS | OF_THRESHOLDS)
def test_unsigned_numbers_are_numbers(function: Callable[[Any], Any]) -> None:
    function(np.array([1, 1], dtype=np.uint8))


@each(OF_K)
@pytest.mark.parametrize("wrong", [1.5, np.float32(2.7), "1", None, [1], 2**63, -(2**70)])
def test_k_is_no_whole_number(function: Callable[[Any], Any], wrong: object) -> None:
    refusal(function, wrong)


@each(OF_THREADS)
@pytest.mark.parametrize("wrong", [1.5, np.float32(1.5), "2", [1], 2**70, -(2**70)])
def test_threads_are_no_whole_number(function: Callable[[Any], Any], wrong: object) -> None:
    refusal(function, wrong)


@pytest.mark.parametrize("other", [None, 5, SCORES])
def test_no_histogram(other: Any) -> None:
    refusal(histogram_of(SCORES).merge, other)


@pytest.mark.parametrize(
    "options", [{"per_template": "no"}, {"mate_elsewhere": "no"}, {"mate_elsewhere": 1.0}]
)
def test_no_option_of_identify(options: dict[str, Any]) -> None:
    refusal(lambda: fr_native.identify(ROWS, ROWS, IDS, IDS, **options))


def test_unsigned_ids_match_no_negative_ones() -> None:
    largest, below_zero = np.full(4, 2**64 - 1, dtype=np.uint64), np.full(4, -1)
    try:
        found = fr_native.identify(ROWS, ROWS, largest, below_zero)
    except (ValueError, TypeError):
        return
    assert (found.mate_score == -np.inf).all()


def test_unsigned_numbers_are_named_as_they_are() -> None:
    assert "-1" not in refusal(fr_native.pair_scores, ROWS, np.full(4, 2**64 - 1, dtype=np.uint64), IDS)
    assert "-9" not in refusal(fr_native.tpir, SCORES, IDS, [0.0], np.array([2**63], dtype=np.uint64))


def test_tpir_names_the_mate_without_a_score() -> None:
    scores = np.array([0.1, 0.2, np.nan, 0.3])
    assert "2 is NaN" in refusal(fr_native.tpir, scores, [0, 0, 1, 1], [0.0], [1])
    assert "2 is NaN" in refusal(fr_native.tpir, scores, [1, 1, 0, 1], [0.0], [1])
    assert "0 is NaN" in refusal(fr_native.tpir, SCORES, IDS, [np.nan], np.empty(0, dtype=int))


def test_tpir_knows_no_rank_below_zero() -> None:
    assert "-5" in refusal(fr_native.tpir, SCORES, [1, -5, 1, 1], [0.0], [1])


def test_no_rows_are_told_from_no_ids() -> None:
    for ids in ([], np.empty(0, dtype=int)):
        assert "embeddings" in refusal(fr_native.all_pairs, np.empty((0, 4), np.float32), ids, [0.5])


@pytest.mark.parametrize("shard", [(0.5, 2), (0, 2.5), ("0", 2), (0,), 1, (None, 2)])
def test_no_shard(shard: Any) -> None:
    assert "shard" in refusal(lambda: fr_native.all_pairs(ROWS, IDS, [0.5], shard=shard))


@pytest.mark.parametrize("shards", [[5], ["x"], 5, None, [], [None]])
def test_nothing_to_merge(shards: Any) -> None:
    assert "shard" in refusal(fr_native.merge_shards, shards)


def test_shards_of_other_embeddings_do_not_merge() -> None:
    rows = np.random.default_rng(0).standard_normal((2500, 8)).astype(np.float32)
    ids = np.arange(2500) // 5
    mirrored = rows.copy()
    mirrored[1::2] *= -1  # the same norms
    parts = [fr_native.all_pairs(part, ids, [0.01], shard=(i, 2)) for i, part in enumerate((rows, mirrored))]
    assert "different embeddings" in refusal(fr_native.merge_shards, parts)


def test_masked_arrays_hide_nothing() -> None:
    masked = np.ma.masked_equal(IDS, 1)
    for call in OF_IDS.values():
        refusal(call, masked)
    refusal(OF_ROWS["Gallery"], np.ma.masked_equal(ROWS, 1))
    for fars in OF_FARS.values():
        refusal(fars, np.ma.masked_equal([0.5, 0.1], 0.1))


def test_too_many_groups() -> None:
    rows = np.random.default_rng(0).standard_normal((1025, 4)).astype(np.float32)
    ids = np.arange(1025)
    assert "1025 groups" in refusal(lambda: fr_native.all_pairs(rows, ids, [0.5], ids))


def test_counts_of_a_run_that_has_not_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(0).standard_normal((600, 8)).astype(np.float32)
    monkeypatch.setattr(_pair_shard, "_PAIRS_PER_CALL", 1)
    monkeypatch.setattr(_pair_shard, "_SECONDS_BETWEEN_CHECKPOINTS", 0.0)

    def stop(done: int, pairs: int) -> None:
        raise InterruptedError

    point = tmp_path / "point.npz"
    with pytest.raises(InterruptedError):
        fr_native.all_pairs(rows, np.arange(600) // 2, [0.1], shard=(0, 2), checkpoint=point, progress=stop)
    assert "has not ended" in refusal(fr_native.AllPairsShard.load, point)


def test_axes_of_other_rows() -> None:
    for axes in (np.eye(16, 20), np.ones((16, 4)), np.eye(4, 4), np.full((16, 4), np.nan)):
        refusal(_core.Gallery, ROWS, axes.astype(np.float32))


@pytest.mark.parametrize("damage", ["empty", "text", "torn", "other archive", "no archive"])
def test_damaged_files_are_named(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "part.npz"
    shard = fr_native.all_pairs(ROWS, IDS, [0.5], shard=(0, 2))
    assert isinstance(shard, fr_native.AllPairsShard)
    shard.save(path)
    if damage == "empty":
        path.write_bytes(b"")
    if damage == "text":
        path.write_text("no archive\n")
    if damage == "torn":
        path.write_bytes(path.read_bytes()[:-30])
    if damage == "other archive":
        np.savez(path, rows=ROWS)
    if damage == "no archive":
        with path.open("wb") as file:
            np.save(file, ROWS)
    assert "part.npz" in refusal(fr_native.AllPairsShard.load, path)
    assert "part.npz" in refusal(lambda: fr_native.all_pairs(ROWS, IDS, [0.5], checkpoint=path))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory of a process from /proc")
def test_many_targets_stay_in_memory() -> None:
    script = (
        "import numpy as np, fr_native\n"
        "scores = np.random.default_rng(0).uniform(-1, 1, 100_000).astype(np.float32)\n"
        "fr_native.far_thresholds(scores, np.linspace(0, 1, 2000), threads=2)\n"
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))\n"
    )
    peak = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(peak.stdout) / 1024 < 300


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"ids": ["a", 1, "b", 2]}, TypeError, "ids: expected a list of integers or strings, got one of sev"),
        ({"ids": ["a", float("nan"), "b", "b"]}, TypeError, "ids: expected a list of integers or strings"),
        (
            {"embeddings": [[1.0]]},
            TypeError,
            r"embeddings: expected a float array of shape \(N, D\), got list",
        ),
        ({"fars": [1.0000001]}, ValueError, "target false accept rate is 1.0000001, expected"),
        ({"fars": np.linspace(0, 1, 2000)}, ValueError, "fars: expected at most 1024 targets, got 2000"),
        ({"progress": 3}, TypeError, "progress: expected a function, got int"),
        ({"checkpoint": 5}, TypeError, "checkpoint: expected a path, got int"),
        ({"shard": (10**30, 10**31)}, ValueError, r"expected \(i, n\) with 0 <= i < n < 2\^31"),
    ],
)
def test_all_pairs_refusals(change: dict[str, Any], error: type[Exception], message: str) -> None:
    rows = np.eye(4, dtype=np.float32)
    with pytest.raises(error, match=message) as refusal:
        fr_native.all_pairs(**{"embeddings": rows, "ids": [0, 0, 1, 1], "fars": [0.1], **change})
    assert "\n" not in str(refusal.value)


def test_a_checkpoint_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    path = tmp_path / "none" / "pairs.npz"
    with pytest.raises(FileNotFoundError) as refusal:
        fr_native.all_pairs(np.eye(4, dtype=np.float32), [0, 0, 1, 1], [0.1], checkpoint=path)
    assert refusal.value.filename == str(path)


def test_a_missing_shard_is_named() -> None:
    rows = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)
    shards = [fr_native.all_pairs(rows, np.arange(50) // 5, [0.1], shard=(i, 300)) for i in range(300)]
    with pytest.raises(
        ValueError, match=r"^shard \(7, 300\) is missing, expected each of \(0..299, 300\) once$"
    ):
        fr_native.merge_shards([shard for shard in shards if shard.shard[0] != 7])
    with pytest.raises(ValueError, match=r"^shard \(7, 300\) comes twice"):
        fr_native.merge_shards([*shards, shards[7]])


def test_a_number_that_is_an_array() -> None:
    with pytest.raises(TypeError, match=r"^k: expected a whole number, got ndarray$"):
        fr_native.Gallery(np.eye(4, dtype=np.float32)).search(np.eye(4, dtype=np.float32), np.array([3]))
