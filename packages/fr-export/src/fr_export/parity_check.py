"""Exported files checked against their source, on faces and pairs of them: what each lost.

With a folder for the result, embeddings of finished images are kept there until it is written: a run that was
killed goes on where it was.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fr_eval.embed import ImageSource, remove_partial
from fr_eval.embedders import Embedder, Preprocessing, checked_model, load_embedder
from fr_eval.embedders.keras import KerasEmbedder, saved_by
from fr_eval.errors import InputError, ParameterError
from fr_eval.model_files import check_writable
from fr_eval.protocols import read_pairs
from fr_eval.provenance import machine, provenance, sha256_of_files, sha256_of_model, write_json

from fr_export._labels import labels
from fr_export._paired import CONFIDENCE, DRAWS
from fr_export.bench import PACKAGES
from fr_export.formats import FormatRow, SourceRow, compare_formats, smaller_but_slower
from fr_export.parity import (
    FARS,
    Embeddings,
    PairTest,
    compare,
    embedded,
    partial_name,
    tells_faces_apart,
    untold_faces,
)

if TYPE_CHECKING:
    from fr_eval.command_line import Progress

__all__ = ["CheckResult", "check", "checked_test"]


@dataclass(frozen=True)
class CheckResult:
    """Exported files beside their source.

    Attributes
    ----------
    source : SourceRow
    exported : list of FormatRow
        The smallest file first.
    min_cosine : float
        The least cosine to the source that an image may have.
    warning : str
        Says so where the source does not tell faces apart; empty where it does.
    about : mapping
        What the figures rest on: ``machine``, ``inputs``, ``settings``, ``versions``.
    """

    source: SourceRow
    exported: list[FormatRow]
    min_cosine: float
    warning: str
    about: Mapping[str, Any]

    @property
    def passed(self) -> bool:
        """Say whether no image of any file is below the least cosine."""
        return all(row.parity.passes(self.min_cosine) for row in self.exported)

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values: those of ``parity.json``."""
        names = labels(row.path for row in self.exported)
        return {
            "task": "parity",
            "source": {**self.source.to_json(), "tells_faces_apart": not self.warning},
            "exported": [
                {
                    **row.to_json(),
                    "file": names[row.path],
                    "sha256": sha256_of_model(row.path),
                    "passed": row.parity.passes(self.min_cosine),
                }
                for row in self.exported
            ],
            "notes": smaller_but_slower(self.source, self.exported),
            **self.about,
        }

    def write(self, folder: str | Path) -> None:
        """Write ``parity.json`` and ``parity.png``."""
        from fr_export.parity_plot import plot_parity

        folder = Path(folder)
        write_json(folder / "parity.json", self.to_json())
        plot_parity(self.source.path.name, self.exported, folder / "parity.png")


def check(
    source: str | Path,
    exported: Sequence[str | Path],
    images: str | Path,
    pairs: str | Path,
    min_cosine: float = 0.99,
    output: str | Path | None = None,
    progress: Progress | None = None,
    failed: Callable[[InputError], None] | None = None,
) -> CheckResult:
    """Compare exported files with their source: embeddings of each image, verification before and after.

    Parameters
    ----------
    source : str or Path
        The model before: ``.keras``, ``.onnx``, ``.tflite`` or a SavedModel's folder, with its sidecar.
    exported : sequence of path
        The same after, in other forms.
    images : str or Path
        The folder that the pairs' names are below.
    pairs : str or Path
        LFW's ``pairs.txt``, or lines ``1|0 image image``, both kinds mixed.
    min_cosine : float
        The least cosine to the source that an image may have.
    output : str or Path, optional
        The folder for ``parity.json`` and ``parity.png``, where unfinished work is kept until then.
    progress : callable, optional
        Called with the number of images embedded, in all, and the name of the model that embeds.
    failed : callable, optional
        Called with the error of a file that cannot be timed; by default it is raised.

    Returns
    -------
    CheckResult
        Whether an image is below `min_cosine`, too: that is no error.

    Raises
    ------
    InputError
        What `checked_test` refuses. A model that cannot be loaded or takes images of another size than the
        source, images of another size, embeddings of zeros, NaN or another dimension.
    MissingExtraError
        The runtime of a model is not installed.

    Examples
    --------
    >>> result = check("net.keras", ["net.tflite"], "faces", "pairs.txt")  # doctest: +SKIP
    >>> result.passed, result.exported[0].parity.accuracy_change.value  # doctest: +SKIP
    (True, -0.0005)
    """
    source, images, pairs = Path(source), Path(images), Path(pairs)
    models = list(dict.fromkeys(map(Path, exported)))
    test = checked_test(source, models, images, pairs, min_cosine, output)
    embedders = {model: _opened(model, source) for model in dict.fromkeys([source, *models])}
    compared = _runs(source, models)
    with ExitStack() as stack:
        work = Path(output or stack.enter_context(tempfile.TemporaryDirectory()))
        partials = work / "parity.partial"
        runs = dict.fromkeys(run for both in compared for run in both)
        rows = _embedded(runs, embedders, partials, images, test.names, progress)
    before = {run: test.judge(rows[run]) for run in {of_source for of_source, _ in compared}}
    parities = [
        compare(other.model, test, rows[one], before[one], rows[other], one.flip or other.flip)
        for one, other in compared
    ]
    source_row, table = compare_formats(source, embedders[source], parities, failed)
    about = _about(source, images, test.names, pairs, min_cosine)
    result = CheckResult(source_row, table, min_cosine, _warning(source_row, test), about)
    if output is not None:
        result.write(output)
        _remove(partials)
    return result


def checked_test(
    source: Path,
    exported: Sequence[Path],
    images: Path,
    pairs: Path,
    min_cosine: float,
    output: str | Path | None,
) -> PairTest:
    """Read the pairs, and refuse what cannot be compared, before any model is loaded.

    Raises
    ------
    InputError
        No exported file, a cosine that is none, pairs that cannot be judged, a model that is not there, has
        another suffix or no sidecar, images that are missing, a folder that cannot be written to or lies in
        that of the images.
    """
    if not exported:
        raise ParameterError("exported", "expected one or more, got none")
    if not -1.0 <= min_cosine <= 1.0:
        raise ParameterError("min_cosine", f"expected a cosine from -1 to 1, got {min_cosine}")
    test = PairTest(read_pairs(pairs), str(pairs))
    for model in (source, *exported):
        checked_model(model)
        if model.suffix == ".keras" and model.is_file():
            saved_by(model)
        Preprocessing.beside(model)
    if not images.is_dir():
        raise ParameterError("images", f"{images} is no folder")
    if output is not None and Path(output).resolve().is_relative_to(images.resolve()):
        raise ParameterError("output", f"{output} lies in {images}, expected a folder apart from the images")
    ImageSource.of_files(images, test.names)
    if output is not None:
        check_writable(Path(output))
    return test


class _Run(NamedTuple):
    """A model that embeds the images, and whether their mirror images are added."""

    model: Path
    flip: bool


def _runs(source: Path, exported: Sequence[Path]) -> list[tuple[_Run, _Run]]:
    """Return what is compared: for each exported file a run of the source, and its own.

    Where one of both gives the sum of the image's and its mirror image's embedding, the other is made to.
    """
    sums = {model: Preprocessing.beside(model).flip_sum for model in (source, *exported)}
    return [
        (_Run(source, sums[model] and not sums[source]), _Run(model, sums[source] and not sums[model]))
        for model in exported
    ]


def _opened(model: Path, source: Path) -> Embedder:
    """Load a model; refuse images of another size, and a sidecar that contradicts a wrapped one's layers."""
    embedder = load_embedder(model)
    (height, width), expected = (Preprocessing.beside(path).size for path in (model, source))
    if (height, width) != expected:
        raise InputError(
            f"{model}: takes images of {height}x{width} pixels, expected {expected[0]}x{expected[1]} as "
            f"{source}: both embed the same ones"
        )
    if isinstance(embedder, KerasEmbedder):
        from fr_export._source import check_wrapped

        check_wrapped(embedder.network, embedder.preprocessing, str(model))
    return embedder


def _embedded(
    runs: Iterable[_Run],
    embedders: Mapping[Path, Embedder],
    partials: Path,
    images: Path,
    names: Sequence[str],
    progress: Progress | None,
) -> dict[_Run, Embeddings]:
    """Embed the images in each run, with a folder of unfinished work."""
    places = {run: partials / partial_name(run.model, embedders[run.model], run.flip) for run in runs}
    rows: dict[_Run, Embeddings] = {}
    for run, partial in places.items():

        def step(done: int, total: int, name: str = run.model.name, earlier: int = len(rows)) -> None:
            if progress is not None:
                progress(earlier * total + done, len(places) * total, name)

        rows[run] = embedded(run.model, embedders[run.model], images, names, partial, step, run.flip)
    return rows


def _remove(partials: Path) -> None:
    """Remove unfinished work, also that of checks of other models that were killed here."""
    for manifest in partials.glob("*/manifest.json"):
        remove_partial(manifest.parent)
    shutil.rmtree(partials)


def _warning(source: SourceRow, test: PairTest) -> str:
    judged = source.judged
    if tells_faces_apart(judged, test.pairs):
        return ""
    impostor_mean = judged.scores[~test.pairs.is_same].mean()
    figures = f"AUC {judged.verification.auc:.3f}, mean cosine of impostor pairs {impostor_mean:.3f}"
    return f"{untold_faces(source.path.name, figures)} Its exports' cosines say little."


def _about(
    source: Path, images: Path, names: Sequence[str], pairs: Path, min_cosine: float
) -> dict[str, Any]:
    settings = {"min_cosine": min_cosine, "fars": FARS, "draws": DRAWS, "confidence": CONFIDENCE}
    about = provenance({"pairs": pairs, "source": source}, settings, PACKAGES)
    about["inputs"]["images"] = {
        "file": images.name,
        "n_images": len(names),
        "sha256": sha256_of_files(images, names),
    }
    return {"machine": machine(), **about}
