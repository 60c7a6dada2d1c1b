"""The measured pieces of work, each in a process of its own: ``python jobs.py JOB FOLDER``.

Reads arrays from FOLDER and builds what the job needs (an index), then runs the job each time that a line
of parameters (JSON) comes in, and answers by a line of JSON: wall seconds of the job alone (imports and
reading left out), peak memory of the process above what interpreter, imports and inputs took, peak memory in
all, and figures that must agree between tools.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

FARS = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6]
ALL_PAIRS_FARS = [1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8]
FPIRS = [0.1, 0.01, 0.001]
RANKS = [1, 5, 10]
BLOCK = 1024

Arrays = dict[str, np.ndarray]
Build = Callable[[], Any]
Work = Callable[..., list[float]]
Job = tuple[Build, Work]


def nothing() -> None:
    """What most jobs build."""


def scores_fr_eval(a: Arrays) -> Job:
    from fr_eval import SortedScores, equal_error_rate, tar_at_far
    from fr_eval.roc import auc

    def job(_: None) -> list[float]:
        scores = SortedScores.of(a["genuine"], a["impostor"])
        tar = [point.tar for point in tar_at_far(scores, FARS)]
        return [*tar, equal_error_rate(scores).value, auc(scores)]

    return nothing, job


def scores_fr_native(a: Arrays) -> Job:
    """Thresholds and counts only, without a sort."""
    import fr_native

    def job(_: None) -> list[float]:
        thresholds = fr_native.far_thresholds(a["impostor"], FARS)
        accepted, _ = fr_native.score_counts(a["genuine"], a["impostor"], thresholds)
        return [float(count) / a["genuine"].size for count in accepted]

    return nothing, job


def scores_sklearn(a: Arrays) -> Job:
    from scipy.interpolate import interp1d
    from scipy.optimize import brentq
    from sklearn.metrics import auc, roc_curve

    def job(_: None) -> list[float]:
        labels = np.r_[np.ones(a["genuine"].size, bool), np.zeros(a["impostor"].size, bool)]
        fpr, tpr, _thresholds = roc_curve(labels, np.r_[a["genuine"], a["impostor"]])
        tpr_at = interp1d(fpr, tpr)
        tar = [float(tpr[np.searchsorted(fpr, far, side="right") - 1]) for far in FARS]
        return [*tar, float(brentq(lambda x: 1 - x - tpr_at(x), 0, 1)), float(auc(fpr, tpr))]

    return nothing, job


def scores_bob(a: Arrays) -> Job:
    """On scores that are sorted before the clock starts; bob.measure has no AUC of all points."""
    from bob.measure import eer, far_threshold, farfrr

    def sort() -> tuple[np.ndarray, np.ndarray]:
        return np.sort(a["genuine"].astype(np.float64)), np.sort(a["impostor"].astype(np.float64))

    def job(ascending: tuple[np.ndarray, np.ndarray]) -> list[float]:
        genuine, impostor = ascending
        thresholds = [far_threshold(impostor, [], far, True) for far in FARS]
        tar = [1 - farfrr(impostor, genuine, threshold)[1] for threshold in thresholds]
        return [*tar, eer(impostor, genuine, True), np.nan]

    return sort, job


def scores_score_analysis(a: Arrays) -> Job:
    from score_analysis import Scores

    def job(_: None) -> list[float]:
        scores = Scores(a["genuine"], a["impostor"])
        tar = [float(scores.tpr(scores.threshold_at_fpr(far))) for far in FARS]
        return [*tar, float(scores.eer()[1]), float(scores.auc())]

    return nothing, job


def pair_scores_fr_native(a: Arrays) -> Job:
    import fr_native

    def job(_: None) -> list[float]:
        return [float(fr_native.pair_scores(a["rows"], a["first"], a["second"]).mean(dtype=np.float64))]

    return nothing, job


def pair_scores_numpy(a: Arrays) -> Job:
    def job(_: None) -> list[float]:
        rows = unit_rows(a["rows"])
        scores = np.empty(a["first"].size, np.float32)
        for begin in range(0, scores.size, 4 * BLOCK):
            part = slice(begin, begin + 4 * BLOCK)
            scores[part] = np.einsum("ij,ij->i", rows[a["first"][part]], rows[a["second"][part]])
        return [float(scores.mean(dtype=np.float64))]

    return nothing, job


def identify_fr_eval(a: Arrays) -> Job:
    from fr_eval import evaluate_identification, search_galleries

    def job(_: None) -> list[float]:
        galleries = {name: (a[f"{name}_rows"], a[f"{name}_ids"]) for name in ("G1", "G2")}
        result = evaluate_identification(
            search_galleries(a["probes"], a["probe_ids"], galleries), FPIRS, RANKS
        )
        return [figure for gallery in result.galleries.values() for figure in _figures(gallery)]

    return nothing, job


def _figures(gallery: Any) -> list[float]:
    return [point.tpir for point in gallery.tpir_at_fpir] + [rate.value for rate in gallery.rank.values()]


def identify_score_analysis(a: Arrays) -> Job:
    from score_analysis import probe_gallery_distances

    def job(_: None) -> list[float]:
        figures: list[float] = []
        for name in ("G1", "G2"):
            scores = probe_gallery_distances(
                a["probes"], a[f"{name}_rows"], a["probe_ids"], a[f"{name}_ids"], dist="cosine"
            )
            thresholds = scores.threshold_at_fpir(np.array(FPIRS), method="lower")
            figures += [float(scores.tpir(threshold, 1)) for threshold in thresholds]
            figures += [float(rate) for rate in scores.dir(np.array(RANKS))]
        return figures

    return nothing, job


def identify_bob(a: Arrays) -> Job:
    from bob.measure import detection_identification_rate, far_threshold

    def job(_: None) -> list[float]:
        figures: list[float] = []
        for name in ("G1", "G2"):
            similarity = a["probes"] @ a[f"{name}_rows"].T
            is_mate = a["probe_ids"][:, None] == a[f"{name}_ids"][None, :]
            lists = [
                (row[~mate], row[mate] if mate.any() else None)
                for row, mate in zip(similarity, is_mate, strict=True)
            ]
            best = [float(np.max(negatives)) for negatives, mates in lists if mates is None]
            figures += [
                detection_identification_rate(lists, far_threshold(best, [], fpir), 1) for fpir in FPIRS
            ]
            figures += [detection_identification_rate(lists, -np.inf, rank) for rank in RANKS]
        return figures

    return nothing, job


def identify_numpy(a: Arrays) -> Job:
    """Keras_insightface's 1:N in NumPy, by its rules: strict comparison with the first impostor past N f."""

    def job(_: None) -> list[float]:
        figures: list[float] = []
        for name in ("G1", "G2"):
            rows, ids = a[f"{name}_rows"], a[f"{name}_ids"]
            similarity = a["probes"] @ rows.T
            column = {subject: at for at, subject in enumerate(ids.tolist())}
            own = np.array([column.get(subject, -1) for subject in a["probe_ids"].tolist()])
            mated = np.flatnonzero(own >= 0)
            mate_score = similarity[mated, own[mated]]
            best_order = np.argsort(similarity[mated], axis=1)[:, ::-1]
            rank = np.argmax(best_order == own[mated][:, None], axis=1) + 1
            falling = np.sort(similarity[own < 0].max(axis=1))[::-1]
            for fpir in FPIRS:
                threshold = falling[max(int(falling.size * fpir) - 1, 0)]
                figures.append(float(((rank == 1) & (mate_score > threshold)).mean()))
            figures += [float((rank <= limit).mean()) for limit in RANKS]
        return figures

    return nothing, job


def topk_fr_native(a: Arrays) -> Job:
    import fr_native

    def search(gallery: Any, k: int) -> list[float]:
        return _nearest(a, k, lambda queries: gallery.search(queries, k)[0])

    return lambda: fr_native.Gallery(a["gallery"]), search


def topk_fr_native_and_build(a: Arrays) -> Job:
    import fr_native

    def search(_: None, k: int) -> list[float]:
        return _nearest(a, k, lambda queries: fr_native.Gallery(a["gallery"]).search(queries, k)[0])

    return nothing, search


def topk_faiss(a: Arrays) -> Job:
    import faiss

    def build() -> Any:
        index = faiss.IndexFlatIP(a["gallery"].shape[1])
        index.add(a["gallery"])
        return index

    return build, lambda index, k: _nearest(a, k, lambda queries: index.search(queries, k)[0])


def topk_faiss_and_build(a: Arrays) -> Job:
    build, search = topk_faiss(a)
    return nothing, lambda _, k: search(build(), k)


def topk_usearch(a: Arrays) -> Job:
    from usearch.index import MetricKind, search

    def exact(queries: np.ndarray, k: int) -> np.ndarray:
        """By blocks of queries: for each it holds 16 bytes a gallery row."""
        threads = int(os.environ["OMP_NUM_THREADS"])
        parts = []
        for begin in range(0, len(queries), BLOCK // 4):
            block = queries[begin : begin + BLOCK // 4]
            found = search(a["gallery"], block, k, MetricKind.IP, exact=True, threads=threads)
            parts.append(1 - found.distances.reshape(len(block), k))
        return np.concatenate(parts)

    return nothing, lambda _, k: _nearest(a, k, lambda queries: exact(queries, k))


def topk_numpy(a: Arrays) -> Job:
    """Matrix products by blocks of the gallery, argpartition of each, and of what they leave."""

    def search(queries: np.ndarray, k: int) -> np.ndarray:
        best = np.empty((len(queries), 0), np.float32)
        for begin in range(0, len(a["gallery"]), 64 * BLOCK):
            scores = queries @ a["gallery"][begin : begin + 64 * BLOCK].T
            kept = np.argpartition(scores, -min(k, scores.shape[1]), axis=1)[:, -k:]
            best = np.concatenate([best, np.take_along_axis(scores, kept, axis=1)], axis=1)
        best = np.take_along_axis(best, np.argpartition(best, -k, axis=1)[:, -k:], axis=1)
        return -np.sort(-best, axis=1)

    def in_blocks(_: None, k: int) -> list[float]:
        def blocks(queries: np.ndarray) -> np.ndarray:
            parts = [search(queries[i : i + BLOCK], k) for i in range(0, len(queries), BLOCK)]
            return np.concatenate(parts)

        return _nearest(a, k, blocks)

    return nothing, in_blocks


def topk_sklearn(a: Arrays) -> Job:
    from sklearn.neighbors import NearestNeighbors

    def build() -> Any:
        return NearestNeighbors(algorithm="brute", metric="euclidean").fit(a["gallery"])

    def search(index: Any, k: int) -> list[float]:
        return _nearest(a, k, lambda queries: 1 - index.kneighbors(queries, k)[0] ** 2 / 2)

    return build, search


def _nearest(a: Arrays, k: int, search: Callable[[np.ndarray], np.ndarray]) -> list[float]:
    """The mean best score and the mean k-th one; with ``single``, of one query at a time."""
    queries = a["queries"]
    scores = np.concatenate([search(q[None]) for q in queries]) if "single" in a else search(queries)
    return [float(scores[:, 0].mean(dtype=np.float64)), float(scores[:, k - 1].mean(dtype=np.float64))]


def all_pairs_fr_native(a: Arrays) -> Job:
    import fr_native

    def job(_: None, n: int) -> list[float]:
        found = fr_native.all_pairs(a["rows"][:n], a["ids"][:n], ALL_PAIRS_FARS)
        return [*map(float, found.tar)]

    return nothing, job


def all_pairs_score_analysis(a: Arrays) -> Job:
    """Its fastest form: of the impostors only the share that the largest target needs."""
    from score_analysis import embedding_distances

    def job(_: None, n: int) -> list[float]:
        limit = ALL_PAIRS_FARS[0] * 1.01
        scores = embedding_distances(a["rows"][:n], a["ids"][:n], dist="cosine", neg_limit=limit)
        return [float(scores.tpr(scores.threshold_at_fpr(far))) for far in ALL_PAIRS_FARS]

    return nothing, job


def all_pairs_matmul(a: Arrays) -> Job:
    """The float32 matrix products alone: what any tool that forms the scores must spend."""

    def job(_: None, n: int) -> list[float]:
        rows = unit_rows(a["rows"][:n])
        scores = np.empty(BLOCK * n, np.float32)
        for begin in range(0, n, BLOCK):
            block = rows[begin : begin + BLOCK]
            shape = len(block), n - begin
            np.matmul(block, rows[begin:].T, out=scores[: shape[0] * shape[1]].reshape(shape))
        return [np.nan] * len(ALL_PAIRS_FARS)

    return nothing, job


def unit_rows(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def peak_mb() -> float:
    """Peak resident memory since `forget_peak`."""
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) / 1024


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def resident_mb() -> float:
    """Resident memory now."""
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmRSS")).split()[1]) / 1024


def versions() -> dict[str, str]:
    packages = (
        *("fr-native", "numpy", "faiss-cpu", "usearch", "scikit-learn", "bob.measure", "score-analysis"),
        *("fr-losses", "fr-tf-ops", "fr-models", "tensorflow", "keras", "onnxruntime", "tf2onnx"),
    )
    found = {}
    for package in packages:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def serve(jobs: dict[str, Any], job_name: str, folder: Path) -> None:
    arrays = {path.stem: np.load(path, mmap_mode="r") for path in folder.glob("*.npy")}
    for array in arrays.values():
        array.sum()  # in memory, so that it counts as an input
    build, work = jobs[job_name](arrays)
    before = peak_mb()
    start = time.perf_counter()
    built = build()
    seconds = time.perf_counter() - start
    answer = {"build_seconds": seconds, "built_mb": resident_mb(), "versions": versions()}
    print(json.dumps(answer), flush=True)
    for line in sys.stdin:
        task = json.loads(line)
        forget_peak()
        start = time.perf_counter()
        figures = work(built, **task)
        seconds = time.perf_counter() - start
        peak = peak_mb()
        answer = {"seconds": seconds, "added_mb": peak - before, "peak_mb": peak, "figures": figures}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve(globals(), sys.argv[1], Path(sys.argv[2]))
