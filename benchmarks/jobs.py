"""One measured piece of work, in a process of its own: ``python jobs.py JOB FOLDER``.

Reads arrays from FOLDER, runs the job once, and prints JSON: wall seconds of the job alone (imports and
reading left out), peak memory of the process above what the interpreter, the imports and the inputs took,
peak memory in all, and figures that must agree between tools.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

FARS = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6]
FPIRS = [0.1, 0.01, 0.001]
RANKS = [1, 5, 10]

Arrays = dict[str, np.ndarray]
Job = Callable[[], Any]


def scores_fr_eval(a: Arrays) -> Job:
    from fr_eval import SortedScores, equal_error_rate, tar_at_far

    def job() -> list[float]:
        scores = SortedScores.of(a["genuine"], a["impostor"])
        return [point.tar for point in tar_at_far(scores, FARS)] + [equal_error_rate(scores).value]

    return job


def scores_sklearn(a: Arrays) -> Job:
    from scipy.interpolate import interp1d
    from scipy.optimize import brentq
    from sklearn.metrics import roc_curve

    def job() -> list[float]:
        labels = np.r_[np.ones(a["genuine"].size, bool), np.zeros(a["impostor"].size, bool)]
        fpr, tpr, _ = roc_curve(labels, np.r_[a["genuine"], a["impostor"]])
        tar = [float(tpr[np.searchsorted(fpr, far, side="right") - 1]) for far in FARS]
        return [*tar, float(brentq(lambda x: 1 - x - interp1d(fpr, tpr)(x), 0, 1))]

    return job


def scores_bob(a: Arrays) -> Job:
    from bob.measure import eer, far_threshold, farfrr

    def job() -> list[float]:
        genuine, impostor = a["genuine"].astype(np.float64), a["impostor"].astype(np.float64)
        ascending = np.sort(impostor)
        thresholds = [far_threshold(ascending, [], far, True) for far in FARS]
        tar = [1 - farfrr(impostor, genuine, threshold)[1] for threshold in thresholds]
        return [*tar, eer(ascending, np.sort(genuine), True)]

    return job


def scores_score_analysis(a: Arrays) -> Job:
    from score_analysis import Scores

    def job() -> list[float]:
        scores = Scores(a["genuine"], a["impostor"])
        tar = [float(scores.tpr(scores.threshold_at_fpr(far))) for far in FARS]
        return [*tar, float(scores.eer()[1])]

    return job


def identify_fr_eval(a: Arrays) -> Job:
    from fr_eval import evaluate_identification, search_galleries

    def job() -> list[float]:
        galleries = {name: (a[f"{name}_rows"], a[f"{name}_ids"]) for name in ("G1", "G2")}
        result = evaluate_identification(
            search_galleries(a["probes"], a["probe_ids"], galleries), FPIRS, RANKS
        )
        return [figure for gallery in result.galleries.values() for figure in _figures(gallery)]

    return job


def _figures(gallery: Any) -> list[float]:
    return [point.tpir for point in gallery.tpir_at_fpir] + [rate.value for rate in gallery.rank.values()]


def identify_score_analysis(a: Arrays) -> Job:
    from score_analysis import probe_gallery_distances

    def job() -> list[float]:
        figures: list[float] = []
        for name in ("G1", "G2"):
            scores = probe_gallery_distances(
                a["probes"], a[f"{name}_rows"], a["probe_ids"], a[f"{name}_ids"], dist="cosine"
            )
            thresholds = scores.threshold_at_fpir(np.array(FPIRS), method="lower")
            figures += [float(scores.tpir(threshold, 1)) for threshold in thresholds]
            figures += [float(rate) for rate in scores.dir(np.array(RANKS))]
        return figures

    return job


def identify_bob(a: Arrays) -> Job:
    from bob.measure import detection_identification_rate, far_threshold

    def job() -> list[float]:
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

    return job


def peak_mb() -> float:
    """Peak resident memory. Linux carries ``ru_maxrss`` over from the parent process, but not ``VmHWM``."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 1024


if __name__ == "__main__":
    job_name, folder = sys.argv[1], Path(sys.argv[2])
    arrays = {path.stem: np.load(path) for path in folder.glob("*.npy")}
    job = globals()[job_name](arrays)
    before = peak_mb()
    start = time.perf_counter()
    figures = job()
    seconds = time.perf_counter() - start
    peak = peak_mb()
    print(json.dumps({"seconds": seconds, "added_mb": peak - before, "peak_mb": peak, "figures": figures}))
