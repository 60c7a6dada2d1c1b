"""Images a second from class folders to batches: `fr_models.data.Pipeline` and Keras.

112 x 112 JPEG crops, batches of 64, an epoch in a new random order, with mirror images and without. Keras is
image_dataset_from_directory, which gives pixels from 0 to 255, and scaled ones with a Rescaling layer, as a
network wants them and as ours are. Ours, beside that, is the same at every restart, and names an image that
cannot be decoded. The crops are those of LFW, three times over since they are few for an epoch, if
``FR_TEST_DATA`` (default ``../shared/data``) has them, else synthetic faces.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import compare
from compare import Contender, Run
from fr_models.data import SyntheticFaces

QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3"}
OURS = "fr_models Pipeline"
TOOLS = [
    Contender(OURS, "ours", variables=QUIET, script="pipeline_jobs.py"),
    Contender("Keras, pixels 0 to 255", "keras", variables=QUIET, script="pipeline_jobs.py"),
    Contender("Keras and Rescaling", "keras_rescaled", variables=QUIET, script="pipeline_jobs.py"),
]
COPIES = 3
LFW = Path(os.environ.get("FR_TEST_DATA", compare.HERE.parents[1] / "shared" / "data")) / "lfw" / "aligned112"


def crops(scratch: Path, quick: bool) -> Path:
    """A folder of class folders."""
    folder = scratch / "faces"
    if not LFW.is_dir() or quick:
        SyntheticFaces(identities=20 if quick else 300, images_per_identity=20).write(folder)
        return folder
    folder.mkdir()
    for person in LFW.iterdir():
        for copy in range(COPIES):
            (folder / f"{person.name}_{copy}").symlink_to(person)
    return folder


def report(images: int, flip: bool, runs: dict[str, list[Run]]) -> None:
    title = f"{images} crops, {'mirrored at random' if flip else 'as they are'}"
    table = compare.new_table(title, "images/s", "median s", "min - max s", f"times {OURS}", "peak MB")
    base = compare.median(runs[OURS])
    for name, results in runs.items():
        seconds = [run["seconds"] for run in results]
        middle = compare.median(results)
        spread, peak = f"{min(seconds):.2f} - {max(seconds):.2f}", f"{compare.median(results, 'peak_mb'):.0f}"
        table.add_row(name, f"{images / middle:.0f}", f"{middle:.3f}", spread, f"{middle / base:.2f}", peak)
    compare.show(table)


def main() -> None:
    choice = compare.options(__doc__ or "", "bench_pipeline.json", rounds=7)
    with tempfile.TemporaryDirectory() as scratch:
        folder = crops(Path(scratch), choice.quick)
        images = sum(1 for _ in folder.glob("*/*.jpg"))
        tasks = tuple({"folder": str(folder), "flip": flip, "images": images} for flip in (False, True))
        runs = compare.measure(TOOLS, {}, choice.rounds + 1, tasks)
    warm = [{name: results[1:] for name, results in of_task.items()} for of_task in runs]
    for task, of_task in zip(tasks, warm, strict=True):
        report(images, bool(task["flip"]), of_task)
    named = {
        "mirrored" if task["flip"] else "plain": of_task for task, of_task in zip(tasks, warm, strict=True)
    }
    compare.write(choice.output, images=images, runs=named)


if __name__ == "__main__":
    main()
