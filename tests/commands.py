"""Commands in this process, and what they import in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str, str]]
"""Takes arguments, gives exit code, standard output and standard error."""


def runner(
    name: str, main: Callable[[], None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return call


def run_without(
    heavy: Sequence[str], package: str, arguments: Sequence[str], folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the ``main`` of a command's package, which must not import these modules, however it ends."""
    code = (
        "import sys\n"
        f"from {package} import main\n"
        "try:\n    main()\n"
        "finally:\n"
        f"    imported = sorted(set({list(heavy)!r}) & set(sys.modules))\n"
        "    if imported:\n        sys.exit(f'imported: {imported}')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "NO_COLOR": "1", "TERM": "dumb", "PYTHONPATH": os.pathsep.join(sys.path)},
        cwd=folder,
        check=False,
    )
    assert "imported: [" not in done.stderr, done.stderr
    return done


def output_without(
    heavy: Sequence[str], package: str, arguments: Sequence[str], folder: Path | None = None
) -> str:
    """Return the output of `run_without`, which must end well."""
    done = run_without(heavy, package, arguments, folder)
    assert done.returncode == 0, done.stderr
    return done.stdout
