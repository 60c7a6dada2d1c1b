"""All pairs against a plain count over the full score matrix."""

from __future__ import annotations

import dataclasses
import itertools
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import fr_native
import numpy as np
import pytest
from fr_native import _pair_brackets, _pair_shard
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fr_native._reference import cosines, far_threshold
from tests.fr_native.test_gallery import DATA, make_rows

FARS = (0.0, 1e-4, 1e-2, 0.3, 1.0)


@pytest.fixture
def small_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """Brackets from a sample, which sets of a testable size would do without."""
    monkeypatch.setattr(_pair_brackets, "_sample_size", lambda n_impostor: 300)


def plain(rows: np.ndarray, ids: np.ndarray, fars: tuple[float, ...]) -> list[tuple[float, int, int]]:
    first, second = np.triu_indices(len(rows), 1)
    scores = cosines(rows, rows)[first, second]
    genuine, impostor = scores[ids[first] == ids[second]], scores[ids[first] != ids[second]]
    result = []
    for far in fars:
        threshold = far_threshold(impostor, far)
        result.append((threshold, int((impostor >= threshold).sum()), int((genuine >= threshold).sum())))
    return result


@pytest.mark.usefixtures("small_sample")
@pytest.mark.parametrize("isa", fr_native.available_isas())
@pytest.mark.parametrize("kind", DATA)
@pytest.mark.parametrize("groups", [1, 3])
def test_equals_plain_count(isa: str, kind: str, groups: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FR_NATIVE_ISA", isa)
    rng = np.random.default_rng([len(kind), groups])
    rows, ids = make_rows(kind, 150, 24, rng), rng.integers(0, 40, 150)
    group_of = rng.integers(0, groups, 150)
    found = fr_native.all_pairs(rows, ids, FARS, group_of, threads=3)
    assert isinstance(found, fr_native.AllPairs)
    rows_found = zip(found.thresholds, found.false_accepts, found.true_accepts, strict=True)
    assert [(float(t), int(f), int(g)) for t, f, g in rows_found] == plain(rows, ids, FARS)
    first, second = np.triu_indices(len(rows), 1)
    scores, impostor = cosines(rows, rows)[first, second], ids[first] != ids[second]
    low, high = np.sort([group_of[first], group_of[second]], axis=0)
    for a, b in zip(*np.triu_indices(groups), strict=True):
        cell = (low == a) & (high == b)
        assert found.group_n_impostor[a, b] == found.group_n_impostor[b, a] == (cell & impostor).sum()
        for target, threshold in enumerate(found.thresholds):
            accepted = cell & (scores >= threshold)
            assert found.group_false_accepts[target, a, b] == (accepted & impostor).sum()
            assert found.group_true_accepts[target, b, a] == (accepted & ~impostor).sum()


def as_bytes(found: fr_native.AllPairs | fr_native.AllPairsShard) -> dict[str, bytes]:
    assert isinstance(found, fr_native.AllPairs)
    return {
        field.name: np.asarray(getattr(found, field.name)).tobytes() for field in dataclasses.fields(found)
    }


def merged_unless_tied(shards: list[fr_native.AllPairsShard]) -> fr_native.AllPairs | None:
    try:
        return fr_native.merge_shards(shards)
    except ValueError as refusal:
        if "misses its threshold: run without shards" not in str(refusal):
            raise
        return None


@settings(max_examples=60, deadline=None)
@given(
    st.data(),
    st.sampled_from(DATA),
    st.integers(2, 70),
    st.integers(1, 30),
    st.integers(1, 4),
    st.lists(st.sampled_from([0.0, 1.0, 0.5]) | st.floats(0, 1), min_size=1, max_size=4),
    st.sampled_from([1, 2, 30, 300, 5000]),
    st.integers(1, 4),
)
def test_any_set_equals_plain_count(
    data: st.DataObject,
    kind: str,
    count: int,
    dim: int,
    groups: int,
    fars: list[float],
    sample: int,
    parts: int,
) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    rows = make_rows(kind, count, dim, rng)
    ids = np.array(["Ann", "Bo", "Cé", "", "Bo "])[rng.integers(0, 5, count)]
    ids[:2] = "Ann", "Bo"
    names = np.array(["women", "men", "", "x"])[rng.integers(0, groups, count)]
    order = data.draw(st.permutations(range(parts)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_pair_brackets, "_sample_size", lambda n_impostor: sample)
        patch.setattr(_pair_shard, "_PAIRS_PER_CALL", 1)
        whole = fr_native.all_pairs(rows, ids, fars, names)
        shards = [fr_native.all_pairs(rows, ids, fars, names, shard=(part, parts)) for part in order]
    assert isinstance(whole, fr_native.AllPairs)
    rows_found = zip(whole.thresholds, whole.false_accepts, whole.true_accepts, strict=True)
    assert [(float(t), int(f), int(g)) for t, f, g in rows_found] == plain(rows, ids, tuple(fars))
    assert whole.groups == tuple(np.unique(names)) or set(names) == {""}
    upper = np.triu_indices(len(whole.groups))
    for cells, total in (
        (whole.group_false_accepts, whole.false_accepts),
        (whole.group_true_accepts, whole.true_accepts),
        (whole.group_n_impostor[None], whole.n_impostor[:1]),
        (whole.group_n_genuine[None], whole.n_genuine[:1]),
    ):
        assert cells[:, *upper].sum(axis=1).tolist() == total.tolist()
    merged = merged_unless_tied(shards)
    if merged is None:
        assert sample < whole.n_impostor[0]
    else:
        assert as_bytes(merged) == as_bytes(whole)


@settings(max_examples=10, deadline=None)
@given(st.sampled_from(DATA), st.sampled_from([1, 30, 300]), st.integers(2, 12), st.integers(0, 999))
def test_run_stopped_again_and_again_goes_on(kind: str, sample: int, steps: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, ids = make_rows(kind, 400, 16, rng), rng.integers(0, 60, 400)

    def stop_after_steps(done: int, total: int) -> None:
        taken.append(done)
        if len(taken) == steps:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(_pair_brackets, "_sample_size", lambda n_impostor: sample)
        patch.setattr(_pair_shard, "_PAIRS_PER_CALL", 1)
        patch.setattr(_pair_shard, "_SECONDS_BETWEEN_CHECKPOINTS", -1)
        whole = fr_native.all_pairs(rows, ids, FARS)
        checkpoint = Path(folder) / "point.npz"
        found = None
        while found is None:
            taken: list[int] = []
            try:
                found = fr_native.all_pairs(rows, ids, FARS, checkpoint=checkpoint, progress=stop_after_steps)
            except KeyboardInterrupt:
                continue
        assert not checkpoint.exists()
    assert as_bytes(found) == as_bytes(whole)


@pytest.mark.usefixtures("small_sample")
def test_rows_in_a_memory_map(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    rows, ids = make_rows("clustered", 300, 32, rng), rng.integers(0, 40, 300)
    np.save(tmp_path / "rows.npy", rows)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    assert as_bytes(fr_native.all_pairs(mapped, ids, FARS)) == as_bytes(fr_native.all_pairs(rows, ids, FARS))


@pytest.mark.usefixtures("small_sample")
def test_shards_merge_to_the_same_bytes(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    rows, ids = make_rows("clustered", 700, 32, rng), rng.integers(0, 100, 700)
    whole = fr_native.all_pairs(rows, ids, FARS)
    parts = []
    for i in range(3):
        part = fr_native.all_pairs(rows, ids, FARS, shard=(i, 3), threads=1 + i)
        assert isinstance(part, fr_native.AllPairsShard)
        part.save(tmp_path / f"{i}.npz")
        parts.append(fr_native.AllPairsShard.load(tmp_path / f"{i}.npz"))
    for order in itertools.permutations(parts):
        assert as_bytes(fr_native.merge_shards(order)) == as_bytes(whole)
    with pytest.raises(ValueError, match="expected each of"):
        fr_native.merge_shards(parts[:2])


def test_killed_run_goes_on(tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(
        "import sys, time, numpy as np, fr_native\n"
        "from fr_native import _pair_shard\n"
        "_pair_shard._PAIRS_PER_CALL, _pair_shard._SECONDS_BETWEEN_CHECKPOINTS = 400_000, 0\n"
        "rng = np.random.default_rng(0)\n"
        "rows, ids = rng.standard_normal((3000, 64), dtype=np.float32), rng.integers(0, 500, 3000)\n"
        "steps = []\n"
        "def progress(done, total):\n"
        "    steps.append(done); time.sleep(float(sys.argv[3]))\n"
        "found = fr_native.all_pairs(rows, ids, [1e-3, 1e-5], checkpoint=sys.argv[1], progress=progress)\n"
        "np.savez(sys.argv[2], found.thresholds, found.false_accepts, found.true_accepts, first=steps[0])\n"
    )
    point = tmp_path / "point.npz"
    run = [sys.executable, str(script), str(point)]
    killed = subprocess.Popen([*run, str(tmp_path / "a.npz"), "0.3"])
    try:
        limit = time.monotonic() + 60
        while not point.exists() and time.monotonic() < limit:
            time.sleep(0.02)
        time.sleep(0.5)
    finally:
        killed.kill()
        killed.wait()
    assert point.exists()
    subprocess.run([*run, str(tmp_path / "resumed.npz"), "0"], check=True)
    assert not point.exists()
    subprocess.run([*run, str(tmp_path / "whole.npz"), "0"], check=True)
    with np.load(tmp_path / "resumed.npz") as resumed, np.load(tmp_path / "whole.npz") as whole:
        assert resumed["first"] > whole["first"]
        for name in ("arr_0", "arr_1", "arr_2"):
            assert resumed[name].tobytes() == whole[name].tobytes()


def test_bad_input(tmp_path: Path) -> None:
    rows, ids = np.eye(4, dtype=np.float32), [0, 0, 1, 1]
    with pytest.raises(ValueError, match="all rows have one id"):
        fr_native.all_pairs(rows, [1, 1, 1, 1], [0.1])
    with pytest.raises(
        ValueError, match=r"ids: expected 4 integers or strings, .* got dtype int64 of shape \(3,\)"
    ):
        fr_native.all_pairs(rows, [0, 1, 2], [0.1])
    with pytest.raises(ValueError, match="target false accept rate is 2"):
        fr_native.all_pairs(rows, ids, [2.0])
    with pytest.raises(ValueError, match=r"shard is \(2, 2\)"):
        fr_native.all_pairs(rows, ids, [0.1], shard=(2, 2))
    with pytest.raises(ValueError, match="embeddings: row 1 is all zeros"):
        fr_native.all_pairs(rows * np.float32([[1], [0], [1], [1]]), ids, [0.1])
    other = fr_native.all_pairs(rows, ids, [0.1], shard=(0, 2), checkpoint=tmp_path / "point.npz")
    assert isinstance(other, fr_native.AllPairsShard)
    with pytest.raises(ValueError, match="a checkpoint of other"):
        fr_native.all_pairs(rows, ids, [0.2], shard=(0, 2), checkpoint=tmp_path / "point.npz")
