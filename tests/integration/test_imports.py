"""Who imports whom, and what an import costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = {
    "fr_native": ROOT / "native" / "fr-native" / "python" / "fr_native",
    "fr_eval": ROOT / "packages" / "fr-eval" / "src" / "fr_eval",
    "fr_export": ROOT / "packages" / "fr-export" / "src" / "fr_export",
    "fr_losses": ROOT / "packages" / "fr-losses" / "src" / "fr_losses",
    "fr_models": ROOT / "packages" / "fr-models" / "src" / "fr_models",
    "fr_tf_ops": ROOT / "native" / "fr-tf-ops" / "src" / "fr_tf_ops",
}
OURS = {"fr_native", "fr_tf_ops", "fr_eval", "fr_losses", "fr_models", "fr_export"}
MAY_IMPORT = {
    "fr_native": {"fr_native"},
    "fr_eval": {"fr_eval", "fr_native"},
    "fr_export": {"fr_export", "fr_eval"},
    "fr_losses": {"fr_losses", "fr_tf_ops"},
    "fr_models": {"fr_models", "fr_eval"},
    "fr_models.train": {"fr_models", "fr_eval", "fr_losses"},
    "fr_tf_ops": {"fr_tf_ops"},
}
WITHOUT_TENSORFLOW = {"fr_native", "fr_eval"}
# fr-eval's embedders of TensorFlow's formats, and what quietens it before a command imports it
NAMES_OF_THEM = ("command_line.py", "embedders/keras.py", "embedders/saved_model.py")
IN_FUNCTIONS = [SOURCES["fr_eval"] / name for name in NAMES_OF_THEM]


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield (node.module or "").split(".")[0]


@pytest.mark.parametrize("package", SOURCES)
def test_who_imports_whom(package: str) -> None:
    files = list(SOURCES[package].rglob("*.py"))
    assert files
    for path in files:
        names = set(imported(path))
        trains = package == "fr_models" and "train" in path.relative_to(SOURCES[package]).parts
        assert names & OURS <= MAY_IMPORT["fr_models.train" if trains else package], path
        assert "tensorflow_addons" not in names, path
        if package in WITHOUT_TENSORFLOW:
            assert "tensorflow" not in names or path in IN_FUNCTIONS, path


def test_every_package_is_walked() -> None:
    found = {path.parent.name.replace("-", "_") for path in ROOT.glob("*/*/pyproject.toml")}
    assert found == set(SOURCES)


def test_import_fr_eval_is_light() -> None:
    code = (
        "import sys, fr_eval\n"
        "heavy = {'matplotlib', 'pandas', 'sklearn', 'scipy', 'cv2', 'onnxruntime', 'tensorflow', 'typer'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_indices_import_tensorflow_with_a_name_that_needs_it() -> None:
    code = (
        "import sys, fr_export, fr_models, fr_models.data, fr_models.train\n"
        "assert not {'tensorflow', 'keras', 'fr_losses'} & set(sys.modules)\n"
        "for index in (fr_export, fr_models, fr_models.data, fr_models.train):\n"
        "    assert all(getattr(index, name) for name in index.__all__) and not hasattr(index, 'none')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_docstring_examples_run() -> None:
    modules = ["fr_eval.verification", "fr_eval.intervals", "fr_native._core", "fr_native._identify"]
    for module in modules:
        code = (
            "import doctest, importlib\n"
            f"result = doctest.testmod(importlib.import_module({module!r}))\n"
            "assert result.attempted and not result.failed"
        )
        subprocess.run([sys.executable, "-c", code], check=True)
