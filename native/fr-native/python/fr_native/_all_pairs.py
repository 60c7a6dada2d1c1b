"""Exact TAR at FAR over all pairs of a set of embeddings: the driver of the native counter.

A uniform sample of impostor pairs brackets each threshold; one pass over all pairs then counts what scores
above each bracket and every score within. If a bracket misses its threshold, which ties can cause, the pass
is repeated for that target with a wider one: the sample decides the time, never the result.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fr_native import _core
from fr_native._axes import principal_axes
from fr_native._pair_brackets import bracketed, united
from fr_native._pair_rates import AllPairs, resolve, widened
from fr_native._pair_shard import (
    IMPOSTOR,
    AllPairsShard,
    PairProblem,
    Progress,
    Shard,
    count_shard,
    digest,
    plus,
    require_writable,
)

__all__ = ["all_pairs", "merge_shards"]

MOST_TARGETS = 1024


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

    Memory besides the embeddings is a little over one byte an element, some hundred bytes a row, and the
    scores near the thresholds: many for targets such as 0.5, which lie where most scores do. With groups it
    grows with their number squared. The rows may be a memory map that is larger than memory.

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
        removed at the end, except with ``shard``: then it stays, so that a finished shard is not counted
        again.
    progress : callable, optional
        Called as ``progress(pairs_done, pairs_to_do)``, about, after a checkpoint that is due.
    threads : int, optional

    Returns
    -------
    AllPairs, or AllPairsShard with ``shard``

    Raises
    ------
    ValueError
        A row with NaN, infinity or zero norm (named), lengths that differ, no impostor pair, a target
        outside [0, 1], more than 1024 groups or targets, a checkpoint of other data.
    TypeError
        Something other than arrays or lists of the kinds above.

    Examples
    --------
    >>> import numpy as np
    >>> from fr_native import all_pairs
    >>> rows = np.float32([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9]])
    >>> all_pairs(rows, [0, 0, 1, 1], [0.0]).tar
    array([1.])
    """
    targets = _checked_targets(fars)
    if progress is not None and not callable(progress):
        raise TypeError(f"progress: expected a function, got {type(progress).__name__}")
    if checkpoint is not None:
        require_writable(checkpoint)
    shard = None if shard is None else _checked_shard(shard)
    subjects, group_names, group_of = _codes(embeddings, ids, groups)
    with np.errstate(all="ignore"):  # the counter names rows that float32 cannot hold
        rows = np.require(embeddings, np.float32, ["C", "A"])
    if subjects.max() == 0:
        raise ValueError("all rows have one id: no impostor pairs, expected at least two ids")
    n_groups = max(1, len(group_names))
    axes = principal_axes(rows)
    counter = _core.PairCounter(rows, subjects, group_of, n_groups, axes, threads=threads)
    pairs = _pair_numbers(subjects, group_of, n_groups)
    n_impostor = int(pairs[IMPOSTOR].sum())
    brackets = bracketed(rows, subjects, targets, n_impostor, threads)
    problem = PairProblem(targets, *united(*brackets), group_names, pairs)
    data = digest(rows, subjects, group_of) if shard is not None or checkpoint is not None else ""
    if shard is not None:
        return count_shard(counter, problem, data, shard, checkpoint, progress, threads)
    total = count_shard(counter, problem, data, (0, 1), checkpoint, progress, threads)
    while True:
        result, missed = resolve(total)
        if not missed.any():
            if checkpoint is not None:
                Path(checkpoint).unlink(missing_ok=True)
            return result
        problem = PairProblem(targets, *united(*widened(total, missed)), group_names, pairs)
        total = count_shard(counter, problem, data, (0, 1), checkpoint, progress, threads, resume=False)


def merge_shards(shards: Sequence[AllPairsShard]) -> AllPairs:
    """Add up all shards of one run: the same bytes as without shards.

    Parameters
    ----------
    shards : list of AllPairsShard
        Each of (0, n) to (n - 1, n) once, in any order.

    Returns
    -------
    AllPairs

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
    _require_each_once([shard.shard for shard in shards])
    if len({shard.fingerprint for shard in shards}) > 1:
        raise ValueError("the shards are of different embeddings, ids, groups or targets")
    total = shards[0]
    if not all(shard.problem.same_brackets(total.problem) for shard in shards):
        raise ValueError("the shards were sampled differently, expected the same versions for all of one run")
    for shard in shards[1:]:
        total = plus(total, (shard.above, shard.keys, shard.counts))
    result, missed = resolve(total)
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
        raise ValueError(f"target false accept rate is {float(bad[0])}, expected a number from 0 to 1")
    if targets.size > MOST_TARGETS:
        raise ValueError(f"fars: expected at most {MOST_TARGETS} targets, got {targets.size}")
    return targets


def _checked_shard(shard: Shard) -> Shard:
    try:
        first, of = (operator.index(part) for part in shard)
    except (TypeError, ValueError):
        raise TypeError(f"shard is {shard!r}, expected two whole numbers (i, n)") from None
    if not 0 <= first < of < 2**31:
        raise ValueError(f"shard is {shard}, expected (i, n) with 0 <= i < n < 2^31")
    return first, of


def _require_each_once(given: list[Shard]) -> None:
    of = given[0][1]
    if any(n != of for _, n in given):
        raise ValueError(f"shards of {sorted({n for _, n in given})} shares, expected all of one run")
    present = {i for i, _ in given}
    if len(present) < len(given):
        twice = next(i for i in sorted(present) if given.count((i, of)) > 1)
        raise ValueError(f"shard ({twice}, {of}) comes twice, expected each of (0..{of - 1}, {of}) once")
    if len(present) < of:
        missing = next(i for i in range(of) if i not in present)
        raise ValueError(f"shard ({missing}, {of}) is missing, expected each of (0..{of - 1}, {of}) once")


def _as_array(values: ArrayLike, what: str, expected: str) -> NDArray[Any]:
    if isinstance(values, np.ma.MaskedArray):
        raise TypeError(f"{what}: expected a list of {expected}, got a masked array")
    if isinstance(values, (list, tuple)) and len({_kind(value) for value in values}) > 1:
        raise TypeError(f"{what}: expected a list of {expected}, got one of several kinds")
    try:
        return np.asarray(values)
    except ValueError:
        raise ValueError(f"{what}: expected a list of {expected}, got one that is ragged") from None


def _kind(value: object) -> str:
    """Kind of an element; NumPy would turn a list of several into one of strings."""
    return np.asarray(value).dtype.kind.replace("u", "i")


def _codes(
    embeddings: NDArray[Any], ids: ArrayLike, groups: ArrayLike | None
) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[np.int64]]:
    """Subjects and groups as numbers from 0, and the groups' names."""
    expected = "embeddings: expected a float array of shape (N, D)"
    if not isinstance(embeddings, np.ndarray):
        raise TypeError(f"{expected}, got {type(embeddings).__name__}")
    if embeddings.ndim != 2 or embeddings.dtype.kind != "f":
        raise ValueError(f"{expected}, got dtype {embeddings.dtype} of shape {embeddings.shape}")
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
