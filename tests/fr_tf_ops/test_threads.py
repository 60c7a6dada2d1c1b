"""The same bytes for every number of threads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fr_tf_ops._digest import digest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys
import tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(int(sys.argv[1]))
from tests.fr_tf_ops._digest import digest
print(digest())
"""


@pytest.mark.slow
def test_every_number_of_threads_gives_the_same_bytes() -> None:
    """Here with as many as there are cores."""
    here = digest()
    for threads in ("1", "5"):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, threads],
            cwd=ROOT,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == here
