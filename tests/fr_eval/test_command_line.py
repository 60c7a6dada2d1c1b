"""What commands show of how far they are, and how quiet TensorFlow is."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from fr_eval.command_line import progress_bar

QUIET = """
from fr_eval.command_line import quiet_tensorflow
quiet_tensorflow()
import sys
assert "tensorflow" in sys.modules
print("told", file=sys.stderr)
"""


def test_progress_in_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    """A line a tenth, with the name of what begins; a second part of the work has lines of its own."""
    with progress_bar("sweep") as progress:
        for done in range(40):
            progress(done, 40, "a rather long name of a model" if done < 5 else "")
        progress(40, 40)
        progress(1, 1)
        progress(0, 3, "again")
    printed = capsys.readouterr()
    lines = printed.err.splitlines()
    assert printed.out == "" and lines[0] == "sweep: 0 of 40 a rather long name of a model"
    first, *others = lines[1:11]
    assert first == "sweep: 4 of 40 a rather long name of a model"
    assert others == [f"sweep: {done} of 40" for done in range(8, 44, 4)]
    assert lines[11:] == ["sweep: 1 of 1", "sweep: 0 of 3 again"]


@pytest.mark.slow
def test_tensorflow_says_nothing() -> None:
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    done = subprocess.run(
        [sys.executable, "-c", QUIET], capture_output=True, text=True, env=environment, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "told\n")
