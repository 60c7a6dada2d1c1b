"""Training on two and four logical devices is training on one, whatever is mirrored or shared out."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(count: int, folder: Path) -> dict[str, list[float]]:
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "tests.fr_losses._replicas", str(count), str(folder)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}
    )
    assert done.returncode == 0, done.stderr[-4000:]
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULTS"))
    return json.loads(line.removeprefix("RESULTS"))


@pytest.mark.slow
def test_several_equal_one(tmp_path: Path) -> None:
    """Losses and cosines to 1e-5; files of any number of replicas load on any other to the same numbers."""
    one, two, four = (run(count, tmp_path) for count in (1, 2, 4))
    for several in (two, four):
        for name, values in several.items():
            # Each replica draws from its own classes, and holds some of the rows.
            if not name.startswith(("partial, sampled", "loaded", "rows")):
                assert values == pytest.approx(one[name], rel=2e-5), name
    for several, count in ((one, 1), (two, 2), (four, 4)):  # a checkpoint holds matrix and momentum of each
        of_head, of_backbone = count * math.ceil(41 / count), 12
        assert several["rows"] == [2 * (of_head + of_backbone)]
    assert two["loaded 2"] == pytest.approx(two["partial, sampled"][2:], rel=1e-5)
    assert four["loaded 2"] == pytest.approx(two["loaded 2"], rel=1e-5)
    assert four["loaded 1"] == pytest.approx(one["loaded 1"], rel=1e-5)
