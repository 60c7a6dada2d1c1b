"""Print the kernels that this CPU runs, and a digest of what fr-native computes with the best of them."""

import hashlib

import fr_native
import numpy as np
from fr_native import _core


def results() -> list[np.ndarray]:
    """Search, identification, pairs and thresholds of seeded random rows."""
    rng = np.random.default_rng(0)
    gallery = rng.standard_normal((700, 130)).astype(np.float32)
    probes = gallery[:60] + rng.standard_normal((60, 130)).astype(np.float32)
    gallery_ids, probe_ids = np.arange(700) // 3, np.arange(60) // 3
    pairs = rng.integers(0, 700, (2, 5000))
    scores = fr_native.pair_scores(gallery, *pairs)
    return [
        *fr_native.Gallery(gallery).search(probes, 20),
        *_core.Gallery(gallery, np.eye(32, 130, dtype=np.float32)).search(probes, 20),
        *fr_native.identify(probes, gallery, probe_ids, gallery_ids, 5),
        scores,
        fr_native.sort_scores(scores),
        fr_native.far_thresholds(scores, [1e-3, 1e-1]),
        *fr_native.score_counts(scores[:100], scores, [0.0, 0.1]),
    ]


if __name__ == "__main__":
    print(*fr_native.available_isas())
    print(hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in results())).hexdigest())
