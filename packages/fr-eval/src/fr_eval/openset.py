"""What each probe of an open-set search found: the scores under every identification metric.

A probe is *mated* in a gallery iff its subject is enrolled there. Its mate's rank is 1 + the number of
non-mates that score at least as much: a tie counts against the mate. Several templates of one subject in a
gallery count once, by their best score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import fr_native
import numpy as np
from numpy.typing import ArrayLike, NDArray

from fr_eval._validate import as_labels, one_of
from fr_eval.embeddings import check_embeddings
from fr_eval.errors import InputError

__all__ = ["RANK_RULES", "GallerySearch", "search_galleries", "search_similarity"]

RANK_RULES = ("pessimistic", "optimistic", "mean")


@dataclass(frozen=True)
class GallerySearch:
    """P probes searched in one gallery.

    Attributes
    ----------
    mated : ndarray of bool, shape (P,)
        Whether the probe's subject is in this gallery.
    mate_score : ndarray of float, shape (P,)
        Score of the mate; -inf for a non-mated probe.
    above, tied : ndarray of int64, shape (P,)
        Non-mates that score more than the mate, and exactly as much. For a probe whose mate is in another
        gallery of the same search they are counted against that mate's score.
    non_mate_score : ndarray of float, shape (P,)
        Best score of another subject, -inf if there is none: for a non-mated probe, the best score.
    subjects : ndarray of int64, shape (S,)
        The subjects enrolled, ascending.
    n_gallery : int
        Templates enrolled.
    """

    mated: NDArray[np.bool_]
    mate_score: NDArray[Any]
    above: NDArray[np.int64]
    tied: NDArray[np.int64]
    non_mate_score: NDArray[Any]
    subjects: NDArray[np.int64]
    n_gallery: int

    def mate_rank(self, rule: str = "pessimistic") -> NDArray[np.float64]:
        """Return the mates' ranks, one a mated probe.

        Parameters
        ----------
        rule : str
            ``pessimistic``: ties lose. ``optimistic``: ties win. ``mean``: half way.
        """
        return mate_ranks(self.above[self.mated], self.tied[self.mated], rule)


def mate_ranks(above: NDArray[np.int64], tied: NDArray[np.int64], rule: str) -> NDArray[np.float64]:
    """Return ranks from counts of better and equal non-mates."""
    one_of(rule, RANK_RULES, "rank rule")
    share = {"pessimistic": 1.0, "optimistic": 0.0, "mean": 0.5}[rule]
    return 1.0 + above + share * tied


def search_galleries(
    probes: NDArray[np.float32],
    probe_ids: ArrayLike,
    galleries: Mapping[str, tuple[NDArray[np.float32], ArrayLike]],
    *,
    per_template: bool = False,
    threads: int | None = None,
) -> dict[str, GallerySearch]:
    """Search probes in each gallery by cosine.

    Parameters
    ----------
    probes : array of float32, shape (P, D)
    probe_ids : array of int, shape (P,)
        Subjects.
    galleries : mapping of name to (embeddings of shape (G, D), subjects of shape (G,))
        ``above`` and ``tied`` of several galleries add up to those of their union if no subject is enrolled
        in two of them.
    per_template : bool
        Count every gallery row as a non-mate of its own.
    threads : int, optional

    Raises
    ------
    InputError
        Mismatched lengths or dimensions, a zero or non-finite row.
    """
    if not galleries:
        raise InputError("galleries: expected at least one, got none")
    check_embeddings(probes, "probes")
    for name, (rows, _) in galleries.items():
        check_embeddings(rows, f"gallery {name}")
        if rows.shape[1] != probes.shape[1]:
            raise InputError(
                f"gallery {name}: {rows.shape[1]} dimensions, but the probes have {probes.shape[1]}"
            )
    subjects = as_labels(probe_ids, len(probes), "probe ids")
    enrolled = {
        name: (rows, as_labels(ids, len(rows), f"gallery {name}: ids"))
        for name, (rows, ids) in galleries.items()
    }
    elsewhere = _best_mate_score(probes, subjects, enrolled, threads) if len(enrolled) > 1 else None
    searches = {}
    for name, (rows, ids) in enrolled.items():
        found = fr_native.identify(
            probes,
            rows,
            subjects,
            ids,
            0,
            per_template=per_template,
            mate_elsewhere=elsewhere,
            threads=threads,
        )
        searches[name] = GallerySearch(
            np.isin(subjects, ids),
            found.mate_score,
            found.above,
            found.tied,
            found.non_mate_score,
            np.unique(ids),
            len(rows),
        )
    return searches


def search_similarity(
    similarity: ArrayLike, probe_ids: ArrayLike, gallery_ids: ArrayLike, *, per_template: bool = False
) -> GallerySearch:
    """Search by a matrix of similarities that some other system computed.

    Parameters
    ----------
    similarity : array of float, shape (P, G)
    probe_ids : array of int, shape (P,)
    gallery_ids : array of int, shape (G,)
    per_template : bool
        As for :func:`search_galleries`.
    """
    matrix: NDArray[Any] = np.asarray(similarity)
    if matrix.ndim != 2 or matrix.size == 0:
        raise InputError(f"similarity: expected shape (probes, gallery), got {matrix.shape}")
    if np.isnan(matrix).any():
        row, column = np.argwhere(np.isnan(matrix))[0]
        raise InputError(f"similarity: row {row}, column {column} is NaN, expected a number")
    probes = as_labels(probe_ids, matrix.shape[0], "probe ids")
    gallery = enrolled = as_labels(gallery_ids, matrix.shape[1], "gallery ids")
    if not per_template:
        order = np.argsort(gallery, kind="stable")
        starts = np.flatnonzero(np.r_[True, np.diff(gallery[order]) != 0])
        matrix = np.maximum.reduceat(matrix[:, order], starts, axis=1)
        gallery = gallery[order][starts]
    is_mate = probes[:, None] == gallery[None, :]
    mate_score = np.where(is_mate, matrix, -np.inf).max(axis=1)
    non_mates = np.where(is_mate, -np.inf, matrix)
    mated = is_mate.any(axis=1)
    above = (~is_mate & (matrix > mate_score[:, None])).sum(axis=1) * mated
    tied = (~is_mate & (matrix == mate_score[:, None])).sum(axis=1) * mated
    return GallerySearch(
        mated, mate_score, above, tied, non_mates.max(axis=1), np.unique(enrolled), enrolled.size
    )


def _best_mate_score(
    probes: NDArray[np.float32],
    subjects: NDArray[np.int64],
    enrolled: Mapping[str, tuple[NDArray[np.float32], NDArray[np.int64]]],
    threads: int | None,
) -> NDArray[np.float32]:
    """Return each probe's best score against its own subject in any gallery, -inf without one."""
    best = np.full(len(probes), -np.inf, dtype=np.float32)
    for rows, ids in enrolled.values():
        probe_rows, gallery_rows = _mate_pairs(subjects, ids)
        stacked = np.concatenate([probes, rows])
        scores = fr_native.pair_scores(stacked, probe_rows, gallery_rows + len(probes), threads=threads)
        np.maximum.at(best, probe_rows, scores)
    return best


def _mate_pairs(
    subjects: NDArray[np.int64], ids: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return all (probe, gallery row) pairs of one subject."""
    order = np.argsort(ids, kind="stable")
    first = np.searchsorted(ids[order], subjects, side="left")
    count = np.searchsorted(ids[order], subjects, side="right") - first
    probe_rows = np.repeat(np.arange(subjects.size), count)
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return probe_rows, order[np.repeat(first, count) + within]
