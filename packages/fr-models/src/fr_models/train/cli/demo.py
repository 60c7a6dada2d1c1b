"""``fr-train demo``: a network trained on made-up people, and how well it knows others apart."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from fr_eval.command_line import console

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fr_models.data.synthetic import SyntheticFaces
    from fr_models.train.recipe import Recipe

QUICK = (
    "data.synthetic.identities=30",
    "data.synthetic.images_per_identity=15",
    "data.batch_size=32",
    "model.bn_momentum=0.7",  # 56 steps
    "learning_rate.epochs=4",
    "stages.0.epochs=2",
)
PAIRS = 6000
STRANGERS = 1000  # the seed of people that no one trains on


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder of the run, tables and plots.")
    ] = Path("fr-demo"),
    quick: Annotated[bool, typer.Option("--quick", help="A tenth of the work.")] = False,
) -> None:
    """Draw faces, train MobileFaceNet with ArcFace on them, and benchmark it on people that it never saw.

    Writes the run folder to OUTPUT/run, and verification.json, identification.json and plots beside it.
    Downloads nothing. A demo that was stopped goes on where it was.
    """
    from fr_models.train.cli._training import training
    from fr_models.train.recipe import Recipe, find_recipe

    recipe = Recipe.load(find_recipe("demo"), QUICK if quick else ())
    folder = output / "run"
    with training(folder, "the same command"):
        from fr_models.data.synthetic import SyntheticFaces

        _train(recipe, folder)
        people = SyntheticFaces(20 if quick else 100, 10, STRANGERS)
        embeddings = _embed(people, folder / "best.keras", recipe.model.input_shape[:2])
    _verification(people, embeddings, output)
    _identification(people, embeddings, output)
    console().print(f"{folder}: the network; {output}: results and plots", soft_wrap=True)


def _train(recipe: Recipe, folder: Path) -> None:
    from fr_models.train.trainer import Trainer

    written = folder / "recipe.yaml"
    if not written.exists():
        Trainer(recipe, folder).run()
    elif written.read_text() != recipe.to_yaml():
        raise ValueError(f"{written}: a run of other settings, expected a demo's; give another --output")
    else:
        Trainer.resume(folder)


def _embed(people: SyntheticFaces, model: Path, size: tuple[int, ...]) -> NDArray[np.float32]:
    """Embed all images, flipped ones added, in the size that the network takes."""
    import cv2
    from fr_eval.command_line import progress_bar
    from fr_eval.embed import ImageSource, embed_images
    from fr_eval.embedders import load_embedder

    height, width = size

    def face(index: int) -> NDArray[Any]:
        identity, image = divmod(index, people.images_per_identity)
        return cv2.resize(people.draw(identity, image), (width, height), interpolation=cv2.INTER_AREA)

    names = [people.name(index) for index in range(len(people))]
    with tempfile.TemporaryDirectory() as partial, progress_bar("unseen people") as progress:
        source = ImageSource(names, face, {"people": people.class_names})
        return embed_images(source, load_embedder(model), Path(partial), flip=True, progress=progress)


def _verification(people: SyntheticFaces, embeddings: NDArray[np.float32], output: Path) -> None:
    import numpy as np
    from fr_eval import evaluate_verification, kfold_accuracy
    from fr_eval.reports import write_verification
    from fr_eval.scoring import pair_scores
    from fr_eval.tables import print_verification

    first, second, is_same = people.pairs(PAIRS)
    scores = pair_scores(embeddings, first, second)
    result = evaluate_verification(scores[is_same], scores[~is_same])
    kfold = kfold_accuracy(scores, is_same, np.arange(PAIRS) * 20 // PAIRS % 10)  # genuine pairs come first
    print_verification(result, kfold)
    extra, settings = {"accuracy_10fold": kfold.to_json()}, {"threshold_rule": "conservative"}
    write_verification(result, extra, {}, settings, output / "verification.json", output)


def _identification(people: SyntheticFaces, embeddings: NDArray[np.float32], output: Path) -> None:
    """Enroll the first image of every second person; all other images are probes."""
    import numpy as np
    from fr_eval import search_galleries
    from fr_eval.identification import evaluate_identification
    from fr_eval.reports import report_identification

    is_first = np.arange(len(people)) % people.images_per_identity == 0
    enrolled = is_first & (people.labels % 2 == 0)
    gallery = {"people": (embeddings[enrolled], people.labels[enrolled])}
    found = search_galleries(embeddings[~is_first], people.labels[~is_first], gallery)
    report_identification(evaluate_identification(found), {}, {}, output / "identification.json", output)
