"""Any arrays into every function: one line of refusal, or exactly what a plain float64 reference returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import fr_native
import numpy as np
import pytest
from fr_native import _pair_brackets
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fr_native import _reference
from tests.fr_native._reference import cosines, top_k
from tests.fr_native.test_all_pairs import plain
from tests.fr_native.test_identify import plain_identify

REFUSALS = (ValueError, TypeError, IndexError)
FLOATS = ("<f4", ">f4", "<f8", ">f8", "<f2", ">f2", "g")
INTEGERS = ("<i8", ">i8", "<i4", "<u8", ">u8", "u1", "i1")
OTHERS = ("?", "c8", "c16", "O", "U3", "S3", "M8[s]")
LAYOUTS = ("C", "Fortran", "reversed", "gaps", "one row repeated", "misaligned", "read-only")
SIZES = (1, 1e-41, 1e-36, 1e30, 1e38)


class Refused(Exception):
    """No right number comes of this input."""


def require(right: object) -> None:
    if not right:
        raise Refused


def same_or_refused(call: Callable[[], Any], reference: Callable[[], Any], *inputs: np.ndarray) -> None:
    """The law: a call refuses in one line what the reference refuses, else returns its very numbers."""
    before = [array.tobytes() for array in inputs]
    try:
        wanted = reference()
    except Refused:
        with pytest.raises(REFUSALS) as refusal:
            call()
        assert str(refusal.value).strip() and "\n" not in str(refusal.value)
    else:
        for got, expected in zip(call(), wanted, strict=True):
            np.testing.assert_array_equal(got, expected, strict=True)
    assert [array.tobytes() for array in inputs] == before


def mostly(good: st.SearchStrategy[Any], bad: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 7).flatmap(lambda draw: bad if draw == 7 else good)


def laid_out(array: np.ndarray, layout: str) -> np.ndarray:
    if array.ndim == 0:
        return array
    if layout == "Fortran":
        return np.asfortranarray(array)
    if layout == "reversed":
        return np.flip(np.flip(array).copy())
    if layout == "gaps":
        spread = np.zeros([2 * length for length in array.shape], array.dtype)
        if array.dtype.kind == "f":
            spread.fill(np.nan)
        view = spread[(slice(None, None, 2),) * array.ndim]
        view[...] = array
        return view
    if layout == "one row repeated":
        return np.broadcast_to(array[:1], array.shape)
    if layout == "misaligned" and array.size > 0 and not array.dtype.hasobject:
        moved = np.frombuffer(bytearray(array.nbytes + 1), array.dtype, offset=1).reshape(array.shape)
        moved[...] = array
        return moved
    copy = array.copy()
    copy.setflags(write=layout != "read-only")
    return copy


@st.composite
def arrays(
    draw: st.DrawFn, shape: Sequence[int], dtypes: Iterable[str] = FLOATS, flaws: Iterable[float] = ()
) -> np.ndarray:
    """Numbers of any size, rounded ones with ties and zeros among them, anywhere in memory."""
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    numbers = rng.standard_normal(shape)
    if draw(st.booleans()):
        numbers = np.round(numbers)
    with np.errstate(all="ignore"):
        numbers = np.asarray(np.clip(numbers * draw(st.sampled_from(SIZES)), -3e38, 3e38))
        flaw = draw(mostly(st.none(), st.sampled_from([None, *flaws])))
        if flaw is not None and numbers.size > 0:
            numbers.flat[rng.integers(numbers.size)] = flaw
        array = numbers.astype(draw(st.sampled_from(list(dtypes))))
    return laid_out(array, draw(st.sampled_from(LAYOUTS)))


NOT_FINITE = (np.nan, np.inf, -np.inf, 1e300)  # in float32
ODD_SHAPES = st.sampled_from([(), (4,), (0, 4), (4, 0), (0, 0), (2, 3, 4)])


def embeddings(count: int, dim: int) -> st.SearchStrategy[np.ndarray]:
    return mostly(
        arrays((count, dim), flaws=NOT_FINITE),
        arrays((count, dim), OTHERS + INTEGERS) | ODD_SHAPES.flatmap(arrays),
    )


def score_arrays(count: int, flaws: Iterable[float] = NOT_FINITE) -> st.SearchStrategy[np.ndarray]:
    return mostly(arrays((count,), flaws=flaws), arrays((count,), OTHERS) | ODD_SHAPES.flatmap(arrays))


@st.composite
def integers(draw: st.DrawFn, count: int, low: int, high: int) -> np.ndarray:
    """Integers of any dtype that holds them, anywhere in memory; now and then no integers or not as many."""
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    count = draw(mostly(st.just(count), st.sampled_from([0, count + 1])))
    numbers = rng.integers(low, high, count, endpoint=True)
    fitting = [name for name in INTEGERS if np.array_equal(numbers.astype(name), numbers)]
    dtype = draw(mostly(st.sampled_from(fitting), st.sampled_from(["<f8", *OTHERS])))
    return laid_out(numbers.astype(dtype), draw(st.sampled_from(LAYOUTS)))


THREADS = mostly(st.none() | st.integers(1, 8) | st.just(2**62), st.sampled_from([0, -1, -(2**63)]))
LENGTHS = st.integers(1, 70)
DIMS = st.integers(1, 40)
SHARES = st.sampled_from([0.0, 1.0, 0.5, 0.25, 1 / 3, 1e-3, 5e-324]) | st.floats(0, 1)


@st.composite
def targets(draw: st.DrawFn) -> np.ndarray:
    """Target false accept rates, few of them wrong."""
    rate = mostly(SHARES, st.sampled_from([-1e-9, 1.0001, np.nan, np.inf]))
    dtype = mostly(st.sampled_from(["<f8", ">f8", "g"]), st.sampled_from(OTHERS[:-1]))
    return np.array(draw(st.lists(rate, min_size=1, max_size=5)), dtype=draw(dtype))


def checked_threads(threads: int | None) -> None:
    require(threads is None or threads >= 1)


def as_float32(array: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        rounded = np.ascontiguousarray(array, np.float32)
    require((np.isfinite(rounded) == np.isfinite(array)).all())
    return rounded


def checked_rows(array: np.ndarray) -> np.ndarray:
    require(array.dtype.kind == "f" and array.ndim == 2 and array.size > 0)
    rows = as_float32(array)
    require(np.isfinite(rows).all() and rows.any(axis=1).all())
    return rows


def checked_integers(array: np.ndarray, count: int | None = None) -> np.ndarray:
    require(array.dtype.kind in "iu" and array.ndim == 1 and count in (None, array.size))
    return array.astype(np.int64)


def checked_scores(array: np.ndarray) -> np.ndarray:
    require(array.dtype.kind == "f" and array.ndim == 1)
    require(not np.isnan(array).any())
    return np.ascontiguousarray(array, np.float32 if array.itemsize <= 4 else np.float64)


def checked_numbers(array: np.ndarray) -> np.ndarray:
    require(array.dtype.kind in "fi")
    require(array.ndim <= 1 and not np.isnan(array).any())
    return np.atleast_1d(array.astype(np.float64))


def reference_thresholds(scores: np.ndarray, fars: np.ndarray) -> np.ndarray:
    require(scores.size > 0)
    wanted = [_reference.far_threshold(scores, far) for far in fars]
    for threshold, far in zip(wanted, fars, strict=True):
        require((scores >= threshold).mean() <= far)  # not where a score of +inf must be rejected
    return np.array(wanted, scores.dtype)


@settings(max_examples=200, deadline=None)
@given(st.data(), LENGTHS, st.integers(1, 30), DIMS, THREADS)
def test_search(data: st.DataObject, size: int, queries: int, dim: int, threads: int | None) -> None:
    rows, probes = data.draw(embeddings(size, dim)), data.draw(embeddings(queries, dim))
    k = data.draw(mostly(st.integers(1, size), st.sampled_from([0, -1, size + 1, -(2**63), 2**63 - 1])))

    def reference() -> tuple[np.ndarray, ...]:
        gallery, wanted = checked_rows(rows), checked_rows(probes)
        checked_threads(threads)
        require(wanted.shape[1] == gallery.shape[1] and 1 <= k <= len(gallery))
        return np.array(gallery.shape), *top_k(cosines(wanted, gallery), k)

    def call() -> tuple[np.ndarray, ...]:
        gallery = fr_native.Gallery(rows, threads=threads)
        return np.array([len(gallery), gallery.dim]), *gallery.search(probes, k, threads=threads)

    same_or_refused(call, reference, rows, probes)


@settings(max_examples=250, deadline=None)
@given(st.data(), LENGTHS, st.integers(1, 30), DIMS, THREADS, st.booleans())
def test_identify(
    data: st.DataObject, size: int, count: int, dim: int, threads: int | None, per_template: bool
) -> None:
    gallery, probes = data.draw(embeddings(size, dim)), data.draw(embeddings(count, dim))
    lowest = data.draw(st.sampled_from([0, -9, -(2**63), 2**63 - 10]))
    gallery_ids, probe_ids = (data.draw(integers(n, lowest, lowest + 9)) for n in (size, count))
    outside = data.draw(st.none() | score_arrays(count))
    k = data.draw(mostly(st.integers(0, size), st.sampled_from([-1, size + 1, 2**63 - 1])))

    def reference() -> tuple[np.ndarray, ...]:
        rows, queries = checked_rows(gallery), checked_rows(probes)
        subjects, wanted = checked_integers(gallery_ids, len(rows)), checked_integers(probe_ids, len(queries))
        checked_threads(threads)
        require(rows.shape[1] == queries.shape[1] and 0 <= k <= len(rows))
        elsewhere = np.full(len(queries), -np.inf, np.float32)
        if outside is not None:
            elsewhere = as_float32(checked_scores(outside))
            require(len(elsewhere) == len(queries))
        scores = cosines(queries, rows)
        columns = zip(*plain_identify(scores, wanted, subjects, elsewhere, per_template), strict=True)
        dtypes = (np.float32, np.int64, np.int64, np.float32, np.int64)
        return *(np.array(c, d) for c, d in zip(columns, dtypes, strict=True)), *top_k(scores, k)

    def call() -> fr_native.Identification:
        options: dict[str, Any] = {
            "per_template": per_template,
            "mate_elsewhere": outside,
            "threads": threads,
        }
        return fr_native.identify(probes, gallery, probe_ids, gallery_ids, k, **options)

    inputs = (gallery, probes, gallery_ids, probe_ids)
    same_or_refused(call, reference, *inputs, *([] if outside is None else [outside]))


@settings(max_examples=200, deadline=None)
@given(st.data(), LENGTHS, st.integers(0, 200), DIMS, THREADS)
def test_pair_scores(data: st.DataObject, size: int, pairs: int, dim: int, threads: int | None) -> None:
    rows = data.draw(embeddings(size, dim))
    last = data.draw(mostly(st.just(size - 1), st.sampled_from([size, 2**63 - 1])))
    i, j = data.draw(integers(pairs, 0, last)), data.draw(integers(pairs, 0, size - 1))

    def reference() -> tuple[np.ndarray]:
        units = checked_rows(rows)
        first, second = checked_integers(i), checked_integers(j)
        checked_threads(threads)
        require(len(first) == len(second) and (np.stack([first, second]) < len(units)).all())
        return (cosines(units, units)[first, second],)

    same_or_refused(lambda: (fr_native.pair_scores(rows, i, j, threads=threads),), reference, rows, i, j)


@settings(max_examples=200, deadline=None)
@given(st.data(), st.integers(0, 200), targets(), THREADS)
def test_scores(data: st.DataObject, count: int, fars: np.ndarray, threads: int | None) -> None:
    impostor, genuine = data.draw(score_arrays(count)), data.draw(score_arrays(count // 3))
    thresholds = data.draw(score_arrays(4) | arrays((3,), ("<i8", ">i4")))

    def checked(scores: np.ndarray) -> np.ndarray:
        checked_threads(threads)
        return checked_scores(scores)

    def reference_counts() -> tuple[np.ndarray, ...]:
        at = checked_numbers(thresholds)
        return tuple(
            (checked(scores).astype(np.float64) >= at[:, None]).sum(axis=1) for scores in (genuine, impostor)
        )

    def reference_fars() -> tuple[np.ndarray]:
        scores, rates = checked(impostor), checked_numbers(fars)
        require(((rates >= 0) & (rates <= 1)).all())
        return (reference_thresholds(scores, rates),)

    same_or_refused(
        lambda: (fr_native.sort_scores(impostor, threads=threads),),
        lambda: (np.sort(checked(impostor)),),
        impostor,
    )
    same_or_refused(
        lambda: fr_native.score_counts(genuine, impostor, thresholds, threads=threads),
        reference_counts,
        *(genuine, impostor, thresholds),
    )
    same_or_refused(
        lambda: (fr_native.far_thresholds(impostor, fars, threads=threads),), reference_fars, impostor, fars
    )


@settings(max_examples=200, deadline=None)
@given(st.data(), st.integers(0, 80), THREADS)
def test_tpir(data: st.DataObject, count: int, threads: int | None) -> None:
    scores = data.draw(score_arrays(count))
    ranks, limits = data.draw(integers(count, 0, 12)), data.draw(integers(3, 0, 12) | integers(3, 1, 12))
    thresholds = data.draw(score_arrays(4))

    def reference() -> tuple[np.ndarray]:
        mates, at = checked_scores(scores), checked_numbers(thresholds)
        found, within = checked_integers(ranks, len(mates)), checked_integers(limits)
        checked_threads(threads)
        require(len(mates) > 0 and (within >= 1).all())
        rates = [
            [sum((found >= 1) & (found <= limit) & (mates >= threshold)) / len(mates) for threshold in at]
            for limit in within
        ]
        return (np.array(rates, np.float64).reshape(len(within), len(at)),)

    same_or_refused(
        lambda: (fr_native.tpir(scores, ranks, thresholds, limits, threads=threads),),
        reference,
        *(scores, ranks, thresholds, limits),
    )


@settings(max_examples=200, deadline=None)
@given(st.data(), st.lists(st.integers(0, 60), min_size=1, max_size=4), targets(), THREADS)
def test_histogram(data: st.DataObject, counts: list[int], fars: np.ndarray, threads: int | None) -> None:
    shards = [data.draw(score_arrays(count)) for count in counts]
    order = data.draw(st.permutations(range(len(shards))))

    def reference() -> tuple[np.ndarray]:
        checked_threads(threads)
        scores = np.concatenate([as_float32(checked_scores(shard)) for shard in shards])
        rates = checked_numbers(fars)
        require(((rates >= 0) & (rates <= 1)).all())
        return (reference_thresholds(scores, rates),)

    def call() -> tuple[np.ndarray]:
        coarse = fr_native.ScoreHistogram()
        for shard in shards:
            coarse.update(shard, threads=threads)
        assert len(coarse) == sum(len(shard) for shard in shards)
        whole = coarse.refine(fars)
        for shard in order:
            part = coarse.refine(fars)
            part.update(shards[shard], threads=threads)
            whole.merge(part)
        return (whole.far_thresholds(fars),)

    same_or_refused(call, reference, *shards, fars)


@settings(max_examples=150, deadline=None)
@given(st.data(), st.integers(1, 40), DIMS, targets(), THREADS)
def test_all_pairs(data: st.DataObject, size: int, dim: int, fars: np.ndarray, threads: int | None) -> None:
    rows = data.draw(embeddings(size, dim))
    subjects, groups = data.draw(integers(size, -9, 9)), data.draw(st.none() | integers(size, 0, 3))
    parts = data.draw(st.integers(1, 3))

    def reference() -> tuple[np.ndarray, ...]:
        checked_threads(threads)
        units, rates = checked_rows(rows), np.atleast_1d(fars)
        for column in (subjects, groups):
            require(column is None or (column.dtype.kind in "iuU" and column.shape == (len(units),)))
        require(rates.dtype.kind in "fiu" and rates.size > 0 and ((rates >= 0) & (rates <= 1)).all())
        require(len(np.unique(subjects)) > 1)
        thresholds, false, true = zip(*plain(units, subjects, tuple(rates.astype(float))), strict=True)
        return np.array(thresholds, np.float32), np.array(false), np.array(true)

    def whole() -> tuple[np.ndarray, ...]:
        found = fr_native.all_pairs(rows, subjects, fars, groups, threads=threads)
        assert isinstance(found, fr_native.AllPairs)
        return found.thresholds, found.false_accepts, found.true_accepts

    def merged() -> tuple[np.ndarray, ...]:
        shards = [
            fr_native.all_pairs(rows, subjects, fars, groups, shard=(part, parts), threads=threads)
            for part in range(parts)
        ]
        found = fr_native.merge_shards(shards)
        return found.thresholds, found.false_accepts, found.true_accepts

    inputs = [rows, subjects, fars] if groups is None else [rows, subjects, fars, groups]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_pair_brackets, "_sample_size", lambda n_impostor: 1000)
        same_or_refused(whole, reference, *inputs)
        same_or_refused(merged, reference, *inputs)
