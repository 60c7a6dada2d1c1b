"""A small set in the IJB layout, written for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from fr_eval.alignment import TEMPLATE_112


def write_layout(folder: Path, names: list[str], prefix: str = "ijbt", rng_seed: int = 0) -> np.ndarray:
    """Write the meta files of images ``name_XX/name_XX_000Y.jpg``, three images a person.

    Images 1 and 2 of a person are one gallery template (two media), image 3 a probe template. Even people are
    enrolled in G1, odd ones in G2. Returns the template of each image.
    """
    rng = np.random.default_rng(rng_seed)
    folder.mkdir(parents=True, exist_ok=True)
    people = [int(name.split("/")[0].split("_")[1]) for name in names]
    images = [int(name.split("_")[-1].split(".")[0]) for name in names]
    templates = np.array([2 * p + (image == 3) for p, image in zip(people, images, strict=True)])
    points = " ".join(f"{value:.3f}" for value in TEMPLATE_112.ravel())
    write = {
        "face_tid_mid.txt": [f"{n} {t} {m}" for m, (n, t) in enumerate(zip(names, templates, strict=True))],
        "name_5pts_score.txt": [f"{n} {points} {rng.uniform(0.5, 1):.4f}" for n in names],
    }
    n_people = max(people) + 1
    write["template_pair_label.txt"] = [
        f"{2 * a} {2 * b + 1} {int(a == b)}" for a in range(n_people) for b in range(n_people)
    ]
    for file, lines in write.items():
        (folder / f"{prefix}_{file}").write_text("\n".join(lines) + "\n")
    header = "TEMPLATE_ID,SUBJECT_ID,FILENAME"
    rows = [f"{t},{p},{n}" for t, p, n in zip(templates, people, names, strict=True)]
    parts = {
        "1N_gallery_G1": [r for r, t in zip(rows, templates, strict=True) if t % 4 == 0],
        "1N_gallery_G2": [r for r, t in zip(rows, templates, strict=True) if t % 4 == 2],
        "1N_probe_mixed": [r for r, t in zip(rows, templates, strict=True) if t % 2 == 1],
    }
    for file, lines in parts.items():
        (folder / f"{prefix}_{file}.csv").write_text("\n".join([header, *lines]) + "\n")
    return templates
