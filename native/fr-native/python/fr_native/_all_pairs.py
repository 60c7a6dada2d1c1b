"""Exact TAR at FAR over all pairs of a set of embeddings: the driver of the native counter.

A uniform sample of impostor pairs brackets each threshold; one pass over all pairs then counts what scores
above each bracket and every score within. If a bracket misses its threshold, which ties can cause, the pass
is repeated for that target with a wider one: the sample decides the time, never the result.
"""

from __future__ import annotations

import hashlib
import operator
import os
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fr_native import _core

__all__ = ["AllPairs", "AllPairsShard", "all_pairs", "merge_shards"]

_SMALLEST_SAMPLE, _LARGEST_SAMPLE = 1 << 18, 1 << 22
_PAIRS_A_DRAW = 1 << 10
_SEED = 20260
_STANDARD_DEVIATIONS = 8.0
_PAIRS_PER_CALL = 500_000_000
_SECONDS_BETWEEN_CHECKPOINTS = 10.0
_GENUINE, _IMPOSTOR = 0, 1
_COUNTS = ("above", "keys", "counts")

Progress = Callable[[int, int], None]
Shard = tuple[int, int]


@dataclass(frozen=True)
class AllPairs:
    """Rates at each target FAR over all n (n - 1) / 2 pairs; a pair is accepted iff score >= threshold.

    Attributes
    ----------
    fars : ndarray of float64, shape (F,)
        Targets.
    thresholds : ndarray of float32, shape (F,)
        The smallest score v with count(impostor >= v) / n_impostor <= far, ties whole; if there is none,
        the next float above the largest impostor score.
    tar : ndarray of float64, shape (F,)
        Share of genuine pairs accepted; NaN without genuine pairs.
    false_accepts, true_accepts : ndarray of int64, shape (F,)
    n_genuine, n_impostor : ndarray of int64, shape (F,)
        Pairs of equal, and of different ids; the same for every target.
    groups : tuple
        Names of the groups, sorted; one, None, if none were given.
    group_false_accepts, group_true_accepts : ndarray of int64, shape (F, groups, groups)
        The same counts at the same thresholds by the groups of the two rows; symmetric.
    group_n_impostor, group_n_genuine : ndarray of int64, shape (groups, groups)
    """

    fars: NDArray[np.float64]
    thresholds: NDArray[np.float32]
    tar: NDArray[np.float64]
    false_accepts: NDArray[np.int64]
    true_accepts: NDArray[np.int64]
    n_genuine: NDArray[np.int64]
    n_impostor: NDArray[np.int64]
    groups: tuple[Any, ...]
    group_false_accepts: NDArray[np.int64]
    group_true_accepts: NDArray[np.int64]
    group_n_impostor: NDArray[np.int64]
    group_n_genuine: NDArray[np.int64]


@dataclass(frozen=True)
class AllPairsShard:
    """Counts of one share of the pairs; see `merge_shards`.

    ``above`` and the sorted ``keys`` with their ``counts`` are what the native counter returns, added up.
    """

    shard: Shard
    fingerprint: str
    above: NDArray[np.int64]
    keys: NDArray[np.uint64]
    counts: NDArray[np.int64]
    problem: _Problem

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the shard to an .npz file (no pickle), replacing it as a whole."""
        fields = {"shard": np.array(self.shard), "fingerprint": np.array(self.fingerprint)}
        _replace_npz(path, {**fields, **self.problem.to_arrays(), **_counts_of(self)})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> AllPairsShard:
        """Read what `save` wrote.

        Raises
        ------
        ValueError
            A file that `save` did not write, or not to the end.
        """
        stored = _read_npz(path, _Problem.NAMES + _COUNTS + ("shard", "fingerprint"))
        first, of = (int(part) for part in stored["shard"])
        counts = (stored[name] for name in _COUNTS)
        return cls((first, of), str(stored["fingerprint"]), *counts, _Problem.from_arrays(stored))


@dataclass(frozen=True)
class _Problem:
    """What the counts are about: targets, brackets and the numbers of pairs by cell.

    Brackets of targets overlap where few scores are left; such targets share one.
    """

    fars: NDArray[np.float64]
    bracket_of: NDArray[np.int64]  # by target
    low: NDArray[np.float32]  # by bracket, ascending
    high: NDArray[np.float32]
    groups: NDArray[Any]  # names; none if there are no groups
    pairs: NDArray[np.int64]  # [2][groups][groups], upper triangle

    NAMES: ClassVar = ("fars", "bracket_of", "low", "high", "groups", "pairs")

    @property
    def n_impostor(self) -> int:
        return int(self.pairs[_IMPOSTOR].sum())

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        return {name: getattr(self, name) for name in self.NAMES}

    @classmethod
    def from_arrays(cls, stored: Any) -> _Problem:
        return cls(*(stored[name] for name in cls.NAMES))


def all_pairs(
    embeddings: NDArray[Any],
    ids: ArrayLike,
    fars: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    shard: Shard | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    threads: int | None = None,
) -> AllPairs | AllPairsShard:
    """Count genuine and impostor pairs at exact thresholds over all pairs of rows.

    Memory besides the embeddings is a little over one byte an element.

    Parameters
    ----------
    embeddings : array of float, shape (N, D)
        Rows need not be normalised. C-contiguous float32, which may be memory-mapped, is not copied.
    ids : array of int or str, shape (N,)
        Subjects: pairs of equal ids are genuine, all others impostor.
    fars : array of float, shape (F,)
        Target false accept rates in [0, 1].
    groups : array of int or str, shape (N,), optional
        Groups of the rows, for counts by pairs of groups at the common thresholds.
    shard : (int, int), optional
        ``(i, n)``: count only the i-th of n shares of the pairs, and return an `AllPairsShard`.
    checkpoint : path, optional
        A file written during the work; a killed run that is started again with it goes on from there. It is
        removed at the end, except with ``shard``: then it stays, so that a finished shard is not counted again.
    progress : callable, optional
        Called as ``progress(pairs_done, pairs_to_do)``, after a checkpoint that is due.
    threads : int, optional

    Returns
    -------
    AllPairs, or AllPairsShard with ``shard``

    Raises
    ------
    ValueError
        A row with NaN, infinity or zero norm (named), lengths that differ, no impostor pair, a target
        outside [0, 1], a checkpoint of other data.

    Examples
    --------
    >>> import numpy as np
    >>> from fr_native import all_pairs
    >>> rows = np.float32([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9]])
    >>> all_pairs(rows, [0, 0, 1, 1], [0.0]).tar
    array([1.])
    """
    targets = _checked_targets(fars)
    shard = None if shard is None else _checked_shard(shard)
    subjects, group_names, group_of = _codes(embeddings, ids, groups)
    with np.errstate(all="ignore"):  # the counter names rows that float32 cannot hold
        rows = np.require(embeddings, np.float32, "CA")
    n_groups = max(1, len(group_names))
    counter = _core.PairCounter(rows, subjects, group_of, n_groups, threads=threads)
    pairs = _pair_numbers(subjects, group_of, n_groups)
    if pairs[_IMPOSTOR].sum() == 0:
        raise ValueError("all rows have one id: no impostor pairs, expected at least two ids")
    sample = _sample(rows, subjects, _sample_size(int(pairs[_IMPOSTOR].sum())), threads)
    low, high = _brackets(sample, targets, int(pairs[_IMPOSTOR].sum()))
    problem = _Problem(targets, *_disjoint(low, high), group_names, pairs)
    data = _digest(rows, subjects, group_of) if shard is not None or checkpoint is not None else ""
    if shard is not None:
        return _count(counter, problem, data, shard, checkpoint, progress, threads)
    total = _count(counter, problem, data, (0, 1), checkpoint, progress, threads)
    while True:
        result, missed = _resolve(total)
        if not missed.any():
            if checkpoint is not None:
                Path(checkpoint).unlink(missing_ok=True)
            return result
        problem = _Problem(targets, *_disjoint(*_wider(total, missed)), group_names, pairs)
        total = _count(counter, problem, data, (0, 1), checkpoint, progress, threads, resume=False)


def merge_shards(shards: Sequence[AllPairsShard]) -> AllPairs:
    """Add up all shards of one run: the same bytes as without shards.

    Raises
    ------
    ValueError
        A shard is missing, comes twice or is of other data; a bracket that misses its threshold, which only
        a run without shards repairs.
    """
    if not isinstance(shards, Sequence) or not all(isinstance(shard, AllPairsShard) for shard in shards):
        raise TypeError("shards: expected a list of AllPairsShard")
    if not shards:
        raise ValueError("no shards: expected all of one run")
    of = shards[0].shard[1]
    if sorted(shard.shard for shard in shards) != [(i, of) for i in range(of)]:
        raise ValueError(
            f"shards {sorted(s.shard for s in shards)}, expected each of (0..{of - 1}, {of}) once"
        )
    if len({shard.fingerprint for shard in shards}) > 1:
        raise ValueError("the shards are of different embeddings, ids, groups or targets")
    total = shards[0]
    for shard in shards[1:]:
        total = _plus(total, (shard.above, shard.keys, shard.counts))
    result, missed = _resolve(total)
    if missed.any():
        far = total.problem.fars[missed][0]
        raise ValueError(f"the bracket of FAR {far:g} misses its threshold: run without shards")
    return result


def _checked_targets(fars: ArrayLike) -> NDArray[np.float64]:
    given = _as_array(fars, "fars", "numbers")
    if given.dtype.kind not in "fiu" or given.ndim > 1 or given.size == 0:
        raise ValueError(
            f"fars: expected a list of at least one number, got dtype {given.dtype} of shape {given.shape}"
        )
    targets = np.atleast_1d(given.astype(np.float64))
    bad = targets[~((targets >= 0) & (targets <= 1))]
    if bad.size:
        raise ValueError(f"target false accept rate is {bad[0]:g}, expected a number from 0 to 1")
    return targets


def _checked_shard(shard: Shard) -> Shard:
    try:
        first, of = (operator.index(part) for part in shard)
    except (TypeError, ValueError):
        raise TypeError(f"shard is {shard!r}, expected two whole numbers (i, n)") from None
    if not 0 <= first < of:
        raise ValueError(f"shard is {shard}, expected (i, n) with 0 <= i < n")
    return first, of


def _as_array(values: ArrayLike, what: str, expected: str) -> NDArray[Any]:
    try:
        return np.asarray(values)
    except ValueError:
        raise ValueError(f"{what}: expected a list of {expected}, got one that is ragged") from None


def _codes(
    embeddings: NDArray[Any], ids: ArrayLike, groups: ArrayLike | None
) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[np.int64]]:
    """Subjects and groups as numbers from 0, and the groups' names."""
    if not isinstance(embeddings, np.ndarray) or embeddings.ndim != 2 or embeddings.dtype.kind != "f":
        raise ValueError("embeddings: expected a float array of shape (N, D)")
    if embeddings.size == 0:
        raise ValueError(f"embeddings: no rows or no columns, got shape {embeddings.shape}")
    columns = {"ids": ids} if groups is None else {"ids": ids, "groups": groups}
    codes = {"groups": (np.empty(0, np.int64), np.zeros(len(embeddings), np.int64))}
    for name, values in columns.items():
        column = _as_array(values, name, "integers or strings")
        if column.shape != (len(embeddings),) or column.dtype.kind not in "iuU":
            raise ValueError(
                f"{name}: expected {len(embeddings)} integers or strings, one a row, got dtype "
                f"{column.dtype} of shape {column.shape}"
            )
        codes[name] = np.unique(column, return_inverse=True)
    names, group_of = codes["groups"]
    return codes["ids"][1].astype(np.int64), names, group_of.astype(np.int64)


def _pair_numbers(
    subjects: NDArray[np.int64], group_of: NDArray[np.int64], n_groups: int
) -> NDArray[np.int64]:
    """Genuine and impostor pairs by groups a <= b."""
    sizes = np.bincount(group_of, minlength=n_groups).astype(np.int64)
    every = np.triu(np.outer(sizes, sizes), 1) + np.diag(sizes * (sizes - 1) // 2)
    genuine = np.zeros((n_groups, n_groups), dtype=np.int64)
    cells, counts = np.unique(subjects * n_groups + group_of, return_counts=True)
    for group in range(n_groups):
        mine = np.zeros(int(subjects.max()) + 1, dtype=np.int64)
        of_group = cells % n_groups == group
        mine[cells[of_group] // n_groups] = counts[of_group]
        np.add.at(genuine[group], cells % n_groups, mine[cells // n_groups] * counts)
        genuine[group, group] = int((mine * (mine - 1) // 2).sum())
    genuine = np.triu(genuine)
    return np.stack([genuine, every - genuine])


def _sample_size(n_impostor: int) -> int:
    return min(max(n_impostor // _PAIRS_A_DRAW, _SMALLEST_SAMPLE), _LARGEST_SAMPLE)


def _sample(
    rows: NDArray[np.float32], subjects: NDArray[np.int64], size: int, threads: int | None
) -> NDArray[np.float32]:
    """Ascending scores of impostor pairs drawn uniformly, with replacement."""
    order = np.argsort(subjects, kind="stable")
    sizes = np.bincount(subjects)
    begin = (np.cumsum(sizes) - sizes)[subjects[order]]
    own = sizes[subjects[order]]
    others = np.cumsum(len(rows) - own)
    drawn = np.random.default_rng(_SEED).integers(0, others[-1], size)
    first = np.searchsorted(others, drawn, side="right")
    second = drawn - (others[first] - (len(rows) - own[first]))
    second = np.where(second < begin[first], second, second + own[first])
    return np.sort(_core.pair_scores(rows, order[first], order[second], threads=threads))


def _brackets(
    sample: NDArray[np.float32], fars: NDArray[np.float64], n_impostor: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Scores between which the thresholds lie unless the sample deviates by 8 standard deviations."""
    if n_impostor <= len(sample):
        return np.full(len(fars), -np.inf, np.float32), np.full(len(fars), np.inf, np.float32)
    above = fars * len(sample)
    spread = _STANDARD_DEVIATIONS * np.sqrt(above * (1 - fars) + 1) + _STANDARD_DEVIATIONS**2
    most = np.ceil(above + spread).astype(np.int64)
    least = np.floor(above - spread).astype(np.int64)
    last = len(sample) - 1
    low = np.where(most > last, -np.inf, sample[np.clip(last - most, 0, last)])
    tied_with = sample[np.clip(last - least, 0, last)]
    next_distinct = np.searchsorted(sample, tied_with, side="right")
    no_higher = (least < 0) | (next_distinct > last)
    high = np.where(no_higher, np.inf, sample[np.minimum(next_distinct, last)])
    return low.astype(np.float32), high.astype(np.float32)


def _disjoint(
    low: NDArray[np.float32], high: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    """Unite the targets' brackets where they overlap: the bracket of each target, and the ascending ends."""
    ascending = np.argsort(low, kind="stable")
    reached = np.maximum.accumulate(high[ascending])
    begins = np.concatenate([[True], low[ascending][1:] > reached[:-1]])
    bracket_of = np.empty(len(low), np.int64)
    bracket_of[ascending] = np.cumsum(begins) - 1
    ends = np.concatenate([begins[1:], [True]])
    return bracket_of, low[ascending][begins], reached[ends]


def _count(
    counter: Any,
    problem: _Problem,
    data: str,
    shard: Shard,
    checkpoint: str | os.PathLike[str] | None,
    progress: Progress | None,
    threads: int | None,
    *,
    resume: bool = True,
) -> AllPairsShard:
    """Count the strips of a shard, from the checkpoint and with its brackets if there is one."""
    fingerprint = _digest(np.array(data), problem.fars, problem.groups)
    cells = problem.pairs.size
    total = AllPairsShard(
        shard, fingerprint, np.zeros((len(problem.low), cells), np.int64), *_no_counts(), problem
    )
    strips = np.arange(shard[0], counter.strips, shard[1], dtype=np.int64)
    done = 0
    if resume and checkpoint is not None and Path(checkpoint).exists():
        total, done = _resumed(Path(checkpoint), total)
        problem = total.problem
    pairs = counter.strip_rows**2 * (counter.strips - strips)
    written = time.monotonic()
    while done < len(strips):
        stop = max(done + 1, int(np.searchsorted(np.cumsum(pairs[done:]), _PAIRS_PER_CALL)) + done)
        found = counter.count(strips[done:stop], problem.low, problem.high, threads=threads)
        total, done = _plus(total, found), min(stop, len(strips))
        if checkpoint is not None and (
            done == len(strips) or time.monotonic() - written > _SECONDS_BETWEEN_CHECKPOINTS
        ):
            state = {"done": np.array(done), "fingerprint": np.array(fingerprint), "shard": np.array(shard)}
            _replace_npz(checkpoint, {**state, **problem.to_arrays(), **_counts_of(total)})
            written = time.monotonic()
        if progress is not None:
            progress(int(pairs[:done].sum()), int(pairs.sum()))
    return total


def _resumed(path: Path, blank: AllPairsShard) -> tuple[AllPairsShard, int]:
    stored = _read_npz(path, _Problem.NAMES + _COUNTS + ("shard", "fingerprint", "done"))
    if str(stored["fingerprint"]) != blank.fingerprint or tuple(stored["shard"]) != blank.shard:
        raise ValueError(
            f"{path}: a checkpoint of other embeddings, ids, groups, targets or shard; remove it"
        )
    counts = (stored[name] for name in _COUNTS)
    problem = _Problem.from_arrays(stored)
    return AllPairsShard(blank.shard, blank.fingerprint, *counts, problem), int(stored["done"])


def _no_counts() -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    return np.empty(0, np.uint64), np.empty(0, np.int64)


def _counts_of(total: AllPairsShard) -> dict[str, NDArray[Any]]:
    return {name: getattr(total, name) for name in _COUNTS}


def _plus(
    total: AllPairsShard, found: tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.int64]]
) -> AllPairsShard:
    above, keys, counts = found
    merged, place = np.unique(np.concatenate([total.keys, keys]), return_inverse=True)
    added = np.zeros(len(merged), dtype=np.int64)
    np.add.at(added, place, np.concatenate([total.counts, counts]))
    return AllPairsShard(total.shard, total.fingerprint, total.above + above, merged, added, total.problem)


def _within(
    total: AllPairsShard, bracket: int
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    """Cells, scores and counts of the pairs inside a bracket."""
    cells = total.problem.pairs.size
    first, last = np.searchsorted(
        total.keys, np.array([bracket, bracket + 1], np.uint64) * np.uint64(cells) << np.uint64(32)
    )
    keys = total.keys[first:last]
    cell = (keys >> np.uint64(32)).astype(np.int64) - bracket * cells
    return cell, _core.scores_of_keys(keys & np.uint64(0xFFFFFFFF)), total.counts[first:last]


def _impostors_within(
    total: AllPairsShard, bracket: int
) -> tuple[int, NDArray[np.float32], NDArray[np.int64]]:
    """Impostor pairs above the bracket; the distinct scores in it, falling, and how many reach each."""
    half = total.problem.pairs[0].size
    cell, scores, counts = _within(total, bracket)
    mine = cell >= half
    values, place = np.unique(scores[mine], return_inverse=True)
    by_value = np.zeros(len(values), np.int64)
    np.add.at(by_value, place, counts[mine])
    above = int(total.above[bracket, half:].sum())
    return above, values[::-1], above + np.cumsum(by_value[::-1])


def _threshold(total: AllPairsShard, target: int) -> np.float32 | None:
    """Return the exact threshold, or None if the bracket does not hold it."""
    above, values, reaching = _impostors_within(total, int(total.problem.bracket_of[target]))
    n, far = total.problem.n_impostor, total.problem.fars[target]
    allowed = reaching / n <= far
    complete = len(reaching) > 0 and reaching[-1] == n
    if above / n > far or (allowed.all() and not complete):
        return None
    if allowed.any():
        return np.float32(values[allowed][-1])
    return None if above > 0 else np.nextafter(values[0], np.float32(np.inf))


def _resolve(total: AllPairsShard) -> tuple[AllPairs, NDArray[np.bool_]]:
    """Rates at the thresholds, and for which targets the bracket missed."""
    problem = total.problem
    n_groups = problem.pairs.shape[1]
    found = [_threshold(total, target) for target in range(len(problem.fars))]
    missed = np.array([threshold is None for threshold in found])
    thresholds = np.array([np.nan if t is None else t for t in found], dtype=np.float32)
    accepted = total.above[problem.bracket_of]
    for target, threshold in enumerate(thresholds):
        cell, scores, counts = _within(total, int(problem.bracket_of[target]))
        reaching = scores >= threshold
        np.add.at(accepted[target], cell[reaching], counts[reaching])
    accepted = accepted.reshape(len(problem.fars), 2, n_groups, n_groups)
    genuine, false = accepted[:, _GENUINE].sum((1, 2)), accepted[:, _IMPOSTOR].sum((1, 2))
    n_genuine, n_impostor = (int(problem.pairs[kind].sum()) for kind in (_GENUINE, _IMPOSTOR))
    tar = genuine / n_genuine if n_genuine else np.full(len(thresholds), np.nan)
    result = AllPairs(
        fars=problem.fars,
        thresholds=thresholds,
        tar=tar,
        false_accepts=false,
        true_accepts=genuine,
        n_genuine=np.full(len(thresholds), n_genuine),
        n_impostor=np.full(len(thresholds), n_impostor),
        groups=tuple(problem.groups.tolist()) or (None,),
        group_false_accepts=_symmetric(accepted[:, _IMPOSTOR]),
        group_true_accepts=_symmetric(accepted[:, _GENUINE]),
        group_n_impostor=_symmetric(problem.pairs[_IMPOSTOR]),
        group_n_genuine=_symmetric(problem.pairs[_GENUINE]),
    )
    return result, missed


def _symmetric(upper: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.maximum(upper, np.swapaxes(upper, -1, -2))


def _wider(
    total: AllPairsShard, missed: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Open the bracket of each target that missed towards its threshold; the others stay."""
    bracket_of = total.problem.bracket_of
    low, high = total.problem.low[bracket_of], total.problem.high[bracket_of]
    for target in np.flatnonzero(missed):
        above, _, reaching = _impostors_within(total, int(bracket_of[target]))
        within_allowed = (
            len(reaching) == 0 or reaching[-1] / total.problem.n_impostor <= total.problem.fars[target]
        )
        if above / total.problem.n_impostor <= total.problem.fars[target] and within_allowed:
            low[target] = -np.inf
        else:
            high[target] = np.inf
    return low, high


def _digest(*arrays: NDArray[Any]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _read_npz(path: str | os.PathLike[str], names: Sequence[str]) -> dict[str, NDArray[Any]]:
    try:
        with zipfile.ZipFile(path) as archive:
            return {name: np.lib.format.read_array(archive.open(f"{name}.npy")) for name in names}
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError):
        raise ValueError(
            f"{os.fspath(path)}: not a whole file of all_pairs counts, expected what this version wrote"
        ) from None


def _replace_npz(path: str | os.PathLike[str], arrays: dict[str, NDArray[Any]]) -> None:
    temporary = Path(f"{os.fspath(path)}.tmp")
    with temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
