"""Recipes: what is read comes out again, and what is wrong is named."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import yaml
from fr_models.data.augmentation import Augmentation
from fr_models.train.optimizers import OPTIMIZERS
from fr_models.train.recipe import Recipe, find_recipe, packaged_recipes
from fr_models.train.schedules import SCHEDULES, Cosine, Steps
from fr_models.train.sections import Data, Evaluation, Model, Synthetic, Teacher
from fr_models.train.stages import REFERENCE_KEYS, Stage

PAGE = Path(__file__).resolve().parents[3] / "docs" / "recipes.md"
SMALLEST: dict[str, Any] = {"model": {"name": "r18"}, "stages": [{"epochs": 2, "loss": "ArcFace"}]}


def written(folder: Path, content: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(content)
    return path


def test_a_recipe_comes_out_as_it_went_in(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
model: {name: mobilefacenet, l2: 5e-4, head: {kind: E, use_bias: true}, input_shape: [112, 96, 3]}
learning_rate: {schedule: cosine, base: 1E-1, minimum: 1e-05, epochs: 16, restart: 0.5}
data: {batch_size: 64, augmentation: {level: 1, mixup: 0.2}, sampler: class_balanced}
evaluate: {sets: {lfw: lfw.bin, others: {path: pairs.txt, images: faces, folds: [2]}}}
stages:
  - {epoch: 5, loss: ArcfaceLoss, bottleneckOnly: true, lossTopK: 3, triplet: 64, alpha: 0.3, lossWeight: 2}
  - {epochs: 5, learning_rate: 0.01, embLossTypes: [centerloss, triplet], embLossWeights: [0.1, 2]}
  - {epochs: 1, optimizer: {name: SGDW, weight_decay: 5e-4, sam: 0.05}}
""",
    )
    recipe = Recipe.load(path)
    assert recipe.model.l2 == 5e-4 and recipe.model.input_shape == (112, 96, 3)
    assert recipe.learning_rate == Cosine(base=0.1, minimum=1e-5, epochs=16, restart=0.5)
    first, second, third = recipe.stages
    assert (first.epochs, first.bottleneck_only, first.sub_centers, first.loss_weight) == (5, True, 3, 2.0)
    assert first.triplet == {"name": "BatchHardTriplet", "weight": 64.0} and first.alpha == 0.3
    assert [loss["weight"] for loss in second.embedding_losses] == [0.1, 2.0]
    assert second.loss is None and recipe.stage(1).loss == {"name": "ArcfaceLoss"}
    assert recipe.stage(0).optimizer.to_dict()["name"] == "Adam" and third.optimizer.sam == 0.05
    again = written(tmp_path, recipe.to_yaml())
    assert Recipe.load(again) == recipe
    assert recipe.data.augmentation == Augmentation(brightness=0.05, mixup=0.2)
    assert Recipe.from_dict(yaml.safe_load(recipe.to_yaml())) == recipe  # any reader takes our numbers
    assert [recipe.first_epoch(number) for number in range(3)] == [0, 0, 5]


def test_reference_keys_are_plain_ones() -> None:
    values = {"epoch": 3, "bottleneckOnly": True, "lossTopK": 2, "lossWeight": 0.5, "type": "arcface"}
    values |= {"centerloss": 0.1, "tripletAlpha": 0.2}
    plain = {REFERENCE_KEYS[key]: value for key, value in values.items()}
    loss = {"loss": "CosFaceLoss"}
    assert Stage.from_dict({**values, **loss}) == Stage.from_dict({**plain, **loss})
    for key, value in values.items():
        with pytest.raises(ValueError, match=f"{REFERENCE_KEYS[key]}: given twice"):
            Stage.from_dict({"epochs": 1, key: value, **plain})


WRONG = {
    "sed=3": "sed: no such key, did you mean seed?",
    f"seed={2**31}": "seed: expected a whole number from 0 to 2147483647, got 2147483648",
    "seed=.nan": "seed: expected a whole number from 0 to 2147483647, got nan",
    "model.name=": "model.name, file: expected one of the two",
    "model.dropout=2": "model.dropout: expected a number in [0, 1), got 2",
    "model.input_shape=[112]": "model.input_shape: expected a list of 3 whole numbers from 1 on, got [112]",
    "model.input_shape=[32, 32, 4]": (
        "model.input_shape: expected [height, width, 3] with sides of 1 to 4096, got [32, 32, 4]"
    ),
    f"model.input_shape=[{10**20}, 32, 3]": "model.input_shape: expected [height, width, 3] with sides of",
    "model.l2=true": "model.l2: expected a number in [0, inf), got True",
    f"model.l2={10**400}": f"model.l2: expected a number in [0, inf), got {10**400}",
    "stages=[]": "stages: expected a list of 1 or more, got []",
    "stages.0.epochs=0": "stages.0.epochs: expected a whole number from 1 on, got 0",
    "stages.0.epochs=": "stages.0.epochs: expected a whole number from 1 on, got None",
    "stages.0.los=x": "stages.0.los: no such key, did you mean loss?",
    "stages.0.loss=ArcFac": "stages.0.loss.name: there is no loss 'ArcFac', did you mean ArcFace",
    "stages.0.optimizer=SGDX": "stages.0.optimizer.name: there is no optimizer 'SGDX', did you mean SGD or",
    "stages.0.optimizer={weight_decay: 1}": "stages.0.optimizer.name: missing, expected one of SGD, SGDW,",
    "stages.0.optimizer={name: SGD, mementum: 1}": "stages.0.optimizer.mementum: no such key, did",
    "stages.0.optimizer={name: Muon, update_rms: 0}": "stages.0.optimizer.update_rms: expected a number in",
    "stages.0.optimizer={name: SGD, momentum: 1}": "stages.0.optimizer.momentum: expected a number in",
    "stages.0.kind=triplet": "stages.0.kind: expected arcface, that of ArcFace, got 'triplet'",
    "stages.0.triplet=CenterLoss": "stages.0.triplet.weight: expected a number in [0, inf), got",
    "stages.0.triplet={name: CenterLoss}": "stages.0.triplet.name: expected one of BatchHardTriplet",
    "stages.0={epochs: 1}": "stages.0.loss: missing",
    "stages.0={epochs: 1, loss: Softmax, lossTopK: 3}": "stages.0.sub_centers: expected a loss of cosines",
    "stages.0.embLossTypes=[triplet, center]": "stages.0.embLossWeights",
    "stages.0.loss.weight=5": "stages.0.loss.weight: no such argument, did you mean loss_weight",
    "stages.0.head={prototypes: {foo: 1}}": "stages.0.head.prototypes.foo: no such key, expected one of",
    "stages.0.head={prototypes: 3}": "stages.0.head.prototypes: expected keys and values, got 3",
    "stages.0.head={skip_below: x}": "stages.0.head.skip_below: expected a number in (-inf, inf), got 'x'",
    "stages.0.head={prototype: {}}": "stages.0.head.prototype: no such key, did you mean prototypes?",
    "stages=[{epochs: 1, loss: ArcFace, partial_fc: 0.1, optimizer: {name: SGD, sam: 0.1}}]": (
        "stages.0.partial_fc: a head that draws classes has no optimizer.sam, got 0.1"
    ),
    "stages=[{epochs: 9, loss: ArcFace, sub_centers: 3}, {epochs: 1, sub_centers: 2}]": (
        "stages.1.sub_centers: expected 1 or 3, as in the stage before, got 2"
    ),
    "accumulate=3": "accumulate: expected a divisor of data.batch_size, 128, got 3",
    "learning_rate=-1": "learning_rate: expected a number in (0, inf), got -1",
    "learning_rate.schedule=cosin": "learning_rate.schedule: expected one of constant, steps, exponential,",
    "learning_rate={schedule: cosine, base: 1e-7}": "learning_rate.minimum: expected a number up to base",
    "learning_rate={schedule: steps, epochs: [3, x]}": "learning_rate.epochs.1: expected a whole number",
    "precision=float64": "precision: expected one of float32, mixed_bfloat16, mixed_float16, got",
    "data={path: a, synthetic: {identities: 2, images_per_identity: 2}}": (
        "data.path, synthetic: expected one of the two"
    ),
    "data.synthetic={identities: 3}": "data.synthetic.images_per_identity: missing",
    "data.synthetic={identities: 0, images_per_identity: 2}": "data.synthetic.identities: expected a whole",
    "data.augmentation=3": "data.augmentation: expected keys and values, got 3",
    "data.augmentation.crop=2": "data.augmentation.crop: expected a number in [0.1, 1], got 2",
    "data.augmentation={level: 7}": "data.augmentation.level: expected 0, 1, 2 or 3, got 7",
    "data.sampler=3": "data.sampler: expected a mapping with a kind, one of shuffled, class_balanced, per_",
    "data.sampler=per_clas": "data.sampler.kind: expected one of shuffled, class_balanced, per_class, got",
    "data.sampler={kind: per_class, images_per_class: 1}": "data.sampler.images_per_class: expected a whole",
    "evaluate.sets={x: 3}": "evaluate.sets.x: expected a path, or a mapping with the key 'path', got 3",
    "evaluate.sets={x: {path: a, kind: b}}": "evaluate.sets.x.kind: expected one of bin, pairs, folder, ijb,",
    "evaluate.sets={x: {path: a, kind: ijb}}": "evaluate.sets.x.prefix: missing",
    "evaluate.sets={x: {path: a, image: b}}": "evaluate.sets.x.image: no such key, did you mean images?",
    "evaluate.sets={x: {path: a.bin, images: b}}": "evaluate.sets.x.images: no such key, expected one of",
    "evaluate.sets={x: {path: a, folds: [0]}}": "evaluate.sets.x.folds.0: expected a whole number from 1",
    "teacher.model=gone.keras": "teacher: no stage learns from it, expected one with distill",
    "teacher.layers=[[a]]": "teacher.layers.0: expected a list of 2 or more, got ['a']",
    "teacher.layers=[[a, b], [a, 3]]": "teacher.layers.1.1: expected a text, got 3",
    "trackers=[wandbb]": "trackers.0: expected one of wandb, mlflow, got 'wandbb'",
    "trackers=[mlflow, mlflow]": "trackers: expected each of wandb, mlflow at most once, got ['mlflow', ",
    "trackers=wandb": "trackers: expected a list, got 'wandb'",
}


@pytest.mark.parametrize("override", WRONG)
def test_wrong_settings_are_named(override: str, tmp_path: Path) -> None:
    path = written(tmp_path, yaml.safe_dump(SMALLEST))
    if "embLossTypes" in override:
        override = "stages.0={epochs: 1, loss: ArcFace, embLossTypes: [triplet, center], embLossWeights: [1]}"
        expected = "stages.0.embLossWeights: expected one for each of 2 embLossTypes, got 1"
    else:
        expected = WRONG[override]
    with pytest.raises(ValueError, match=r"recipe\.yaml") as caught:
        Recipe.load(path, [override])
    assert str(caught.value).startswith(f"{path}: {expected}"), str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("seed: 1\nseed: 2\n", ", line 2: key 'seed' is given twice"),
        ("model: [\n", ", line 2: "),
        ("seed: {{ seed }}\n", ", line 1: expected a text as key"),
        ("- 1\n", ": expected keys and values, got [1]"),
        ("model: {name: r18}\n", ": stages: missing"),
        ("!!python/object/apply:os.system ['true']\n", ", line 1: could not determine a constructor"),
        (
            "base: dem0\n",
            "recipe.yaml: base: expected another recipe beside it, or one of fr-models, got 'dem0': did",
        ),
        (
            "base: recipe\n",
            "recipe.yaml: base: expected another recipe beside it, or one of fr-models, got 'recipe'",
        ),
        (
            "base: ../nowhere\n",
            "recipe.yaml: base: expected another recipe beside it, or one of fr-models, got",
        ),
        ("base: 3\n", "recipe.yaml: base: expected a text, got 3"),
        ("seed: 2020-99-99\n", "recipe.yaml: month must be in 1..12"),
        ("seed: " + 5000 * "9", "recipe.yaml: Exceeds the limit (4300 digits)"),
        ("seed: " + 5000 * "[", "recipe.yaml: nested too deep"),
    ],
)
def test_files_that_are_no_recipes(content: str, expected: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r".+") as caught:
        Recipe.load(written(tmp_path, content))
    assert expected in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="no such file"):
        Recipe.load(tmp_path / "other.yaml")


def test_mixed_labels_of_drawn_classes() -> None:
    settings = {**SMALLEST, "data": {"augmentation": {"mixup": 0.2}}}
    settings["stages"] = [*SMALLEST["stages"], {"epochs": 1, "partial_fc": 0.5}]
    with pytest.raises(ValueError, match=r"^stages\.1\.partial_fc: .* no data\.augmentation\.mixup"):
        Recipe.from_dict(settings)


def test_overrides(tmp_path: Path) -> None:
    path = written(tmp_path, yaml.safe_dump(SMALLEST))
    given = [
        "seed=7",
        "stages.0.loss.margin=0.3",
        "data.batch_size=32",
        "learning_rate={schedule: steps, epochs: [1]}",
    ]
    recipe = Recipe.load(path, [*given, "model.l2=1e-3"])
    assert (recipe.seed, recipe.data.batch_size, recipe.model.l2) == (7, 32, 1e-3)
    assert recipe.stages[0].loss == {"name": "ArcFace", "margin": 0.3}
    assert recipe.learning_rate == Steps(epochs=(1,))
    for wrong, message in {
        "seed": "seed: expected key.path=value",
        "stages.1.epochs=2": "expected a number below 1 in place of '1'",
        "seed.x=1": "there is nothing below",
        "data={": "data={, line 1",
    }.items():
        with pytest.raises(ValueError, match=r".+") as caught:
            Recipe.load(written(tmp_path, yaml.safe_dump({**SMALLEST, "seed": 1})), [wrong])
        assert message in str(caught.value)


def test_a_base_is_changed_key_by_key(tmp_path: Path) -> None:
    (tmp_path / "first.yaml").write_text(yaml.safe_dump({**SMALLEST, "seed": 3, "data": {"batch_size": 8}}))
    (tmp_path / "second.yaml").write_text("base: first\nmodel: {dropout: 0.4}\n")
    third = written(
        tmp_path, "base: second.yaml\nmodel: {embedding_dim: 128}\nstages: [{epochs: 9, loss: CosFace}]\n"
    )
    recipe = Recipe.load(third)
    assert (recipe.model.name, recipe.model.dropout, recipe.model.embedding_dim) == ("r18", 0.4, 128)
    assert (recipe.seed, recipe.data.batch_size, recipe.stages[0].epochs) == (3, 8, 9)
    assert Recipe.load(written(tmp_path, "base: demo\n")).model.name == "mobilefacenet"
    (tmp_path / "demo.yaml").write_text("base: demo\nseed: 5\n")  # changes the packaged one of its name
    assert Recipe.load(tmp_path / "demo.yaml").model.name == "mobilefacenet"
    (tmp_path / "first.yaml").write_text(f"base: ../{tmp_path.name}/second\n")
    with pytest.raises(ValueError, match=r": base: expected another recipe, got one that begins with this$"):
        Recipe.load(tmp_path / "first.yaml")


def test_packaged_recipes_are_found_and_named() -> None:
    assert find_recipe("demo") == packaged_recipes()["demo"]
    for path in ("recipes/demo.yaml", "/no/such/folder/demo.yaml", "demo.yaml", "./demo", "recipes/demo"):
        with pytest.raises(ValueError, match=rf"^{path}: no such file; fr-train recipes lists"):
            find_recipe(path)
    with pytest.raises(ValueError, match=r"dem0: .*did you mean demo"):
        find_recipe("dem0")
    for path in packaged_recipes().values():
        lines = path.read_text().splitlines()
        assert lines[0].startswith("# ") and max(map(len, lines)) <= 120, path
        recipe = Recipe.load(path)
        assert Recipe.from_dict(recipe.to_dict()) == recipe


@pytest.mark.parametrize(
    "section",
    [
        *(Recipe, Model, Data, Synthetic, Evaluation, Teacher, Augmentation),
        *SCHEDULES.values(),
        *OPTIMIZERS.values(),
    ],
)
def test_every_key_is_in_the_docs(section: type) -> None:
    assert [field.name for field in fields(section) if f"`{field.name}`" not in PAGE.read_text()] == []


def test_the_table_of_a_stage_is_that_of_its_class() -> None:
    table = PAGE.read_text().partition("## stages\n")[2].partition("\n\n## ")[0].splitlines()[3:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table if line.startswith("|")]
    assert [row[0] for row in rows] == [f"`{field.name}`" for field in fields(Stage)]
    types = {
        int: "whole number",
        float: "number",
        float | None: "number",
        bool: "boolean",
        str | None: "name",
    }
    hints = get_type_hints(Stage)
    for field, (_, kind, default, _) in zip(fields(Stage), rows, strict=True):
        assert kind == types.get(hints[field.name], kind), field.name
        if field.default in (MISSING, None, ()):
            assert not default.startswith("`"), field.name
        else:
            assert yaml.safe_load(default.strip("`")) == field.default, field.name


def test_reading_a_recipe_needs_no_tensorflow() -> None:
    code = (
        "import sys\n"
        "from fr_models.train.recipe import Recipe, find_recipe\n"
        "Recipe.load(find_recipe('emore_mobilenet'))\n"
        "assert not {'tensorflow', 'keras', 'fr_losses'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_schedule_of_the_reference(tmp_path: Path) -> None:
    """All of its keys together, as its scripts have them, are what ours say one by one."""
    path = written(
        tmp_path,
        """
model: {name: r18}
learning_rate: {lr_base: 0.1, lr_decay: 0.1, lr_decay_steps: [20, 30]}
stages:
  - {epoch: 2, loss: softmax, type: softmax, bottleneckOnly: true,
     optimizer: {name: SGDW, weight_decay: 5e-4}}
  - {epoch: 5, loss: ArcfaceLoss, type: arcface, lossTopK: 3, centerloss: 0.01, triplet: 64, distill: 7,
     alpha: 0.3}
  - {loss: BatchHardTripletLoss, type: triplet, epoch: 1, alpha: 0.25}
  - {loss: distiller_loss_cosine, type: distill, epoch: 1}
""",
    )
    weighted = {
        "center_loss": {"name": "CenterLoss", "weight": 0.01},
        "triplet": {"name": "BatchHardTriplet", "weight": 64},
        "distill": {"name": "CosineDistillation", "weight": 7},
    }
    arcface = {"kind": "arcface", "loss": "ArcfaceLoss", "epochs": 5, "sub_centers": 3, "alpha": 0.3}
    softmax = {"kind": "softmax", "loss": "softmax", "epochs": 2, "bottleneck_only": True}
    stages = [
        {**softmax, "optimizer": {"name": "SGDW", "weight_decay": 5e-4}},
        {**arcface, **weighted},
        {"kind": "triplet", "loss": "BatchHardTripletLoss", "epochs": 1, "alpha": 0.25},
        {"kind": "distill", "loss": "distiller_loss_cosine", "epochs": 1},
    ]
    rate = {"schedule": "steps", "base": 0.1, "epochs": [20, 30]}
    assert Recipe.load(path) == Recipe.from_dict({**SMALLEST, "stages": stages, "learning_rate": rate})
    for wrong, message in {
        "bottleneckonly": "did you mean bottleneck_only or bottleneckOnly?",
        "lossTopk": "did you mean loss or lossTopK or embLossTypes?",
        "foo": "expected one of epochs, loss, optimizer, learning_rate, bottleneck_only, ",
    }.items():
        with pytest.raises(ValueError, match=r"^[^\n]*$") as caught:
            Recipe.load(path, [f"stages.1.{wrong}=1"])
        assert f": stages.1.{wrong}: no such key, {message}" in str(caught.value)
