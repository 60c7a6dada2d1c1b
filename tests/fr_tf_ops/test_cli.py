"""``fr-tf-ops build`` and ``fr-tf-ops info``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import tensorflow as tf
from fr_tf_ops import cli


def test_importing_and_asking_for_help_imports_no_tensorflow() -> None:
    program = """
import sys
import fr_tf_ops
from fr_tf_ops import cli
try:
    cli.main(["--help"])
finally:
    assert "tensorflow" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "build" in done.stdout and "info" in done.stdout


def test_info(ops: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info"]) == 0
    printed = capsys.readouterr().out
    assert f"TensorFlow  {tf.__version__}" in printed
    assert f"ISA         {ops.isa()} of generic" in printed


def test_info_before_anything_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FR_TF_OPS_CACHE", str(tmp_path))
    assert cli.main(["info"]) == 0
    assert "not built" in capsys.readouterr().out


def test_build(ops: ModuleType) -> None:
    assert cli.main(["build"]) == 0


def test_without_a_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FR_TF_OPS_CACHE", str(tmp_path))
    monkeypatch.setenv("CXX", "/no/such/compiler")
    assert cli.main(["info"]) == 1
    assert "fr-tf-ops: no C++ compiler: CXX is '/no/such/compiler'" in capsys.readouterr().err


def test_building_ahead_into_a_cache_that_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A library made ahead must be there later; one for this process would be lost."""
    monkeypatch.setenv("FR_TF_OPS_CACHE", "/dev/null/cache")
    assert cli.main(["build"]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("fr-tf-ops: /dev/null/cache cannot be written: ") and printed.count("\n") == 1


def test_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main([])
    assert "usage: fr-tf-ops" in capsys.readouterr().err
