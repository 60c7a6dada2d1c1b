"""Runs jobs of several tools in turn, in their own environments, and tables medians."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Contender:
    """A tool, the job of ``jobs.py`` that measures it, and the hatch environment that holds it."""

    name: str
    job: str
    environment: str | None = None


def python_of(environment: str | None) -> str:
    if environment is None:
        return sys.executable
    found = subprocess.run(
        ["hatch", "env", "find", environment], cwd=HERE.parent, capture_output=True, text=True, check=True
    )
    folder = Path(found.stdout.strip().splitlines()[-1])
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        sys.exit(f"no environment {environment}: run `hatch env create {environment}`, or pass --only-ours")
    return str(python)


def version_of(python: str, package: str) -> str:
    code = f"from importlib.metadata import version; print(version({package!r}))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def measure(contenders: list[Contender], arrays: dict[str, np.ndarray], rounds: int) -> dict[str, list[dict]]:
    """Run every contender once a round, in turn, so that a slow minute hits all of them."""
    pythons = {c.name: python_of(c.environment) for c in contenders}
    runs: dict[str, list[dict]] = {c.name: [] for c in contenders}
    with tempfile.TemporaryDirectory() as folder:
        for name, array in arrays.items():
            np.save(Path(folder) / f"{name}.npy", array)
        for _ in range(rounds):
            for c in contenders:
                command = [pythons[c.name], str(HERE / "jobs.py"), c.job, folder]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode != 0:
                    sys.exit(f"{c.name}: {done.stderr.strip().splitlines()[-1]}")
                runs[c.name].append(json.loads(done.stdout.strip().splitlines()[-1]))
    return runs


def machine() -> dict[str, Any]:
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), model)
    return {"cpu": model, "cores": len(os.sched_getaffinity(0)), "python": platform.python_version()}


def report(title: str, runs: dict[str, list[dict]], headings: list[str], output: Path, extra: dict) -> None:
    """Print a table of medians and write all runs as JSON."""
    first = next(iter(runs))
    base = statistics.median(run["seconds"] for run in runs[first])
    table = Table(title=title, box=SIMPLE_HEAD, title_justify="left")
    table.add_column("tool")
    for heading in ("median s", "min - max s", f"times {first}", "added MB", "peak MB", *headings):
        table.add_column(heading, justify="right")
    for name, results in runs.items():
        seconds = [run["seconds"] for run in results]
        median = statistics.median(seconds)
        memory = [f"{statistics.median(run[key] for run in results):.0f}" for key in ("added_mb", "peak_mb")]
        figures = [f"{figure:.5f}" for figure in results[0]["figures"][: len(headings)]]
        spread = f"{min(seconds):.2f} - {max(seconds):.2f}"
        table.add_row(name, f"{median:.3f}", spread, f"{median / base:.1f}", *memory, *figures)
    Console(width=150, highlight=False).print(table)
    output.write_text(json.dumps({"title": title, "machine": machine(), **extra, "runs": runs}, indent=2))
    print(f"{machine()}; all runs in {output}")


def options(description: str, default_output: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=5, help="runs of each tool (default 5)")
    parser.add_argument("--quick", action="store_true", help="a small input, to see that it works")
    parser.add_argument("--only-ours", action="store_true", help="no peers from other environments")
    parser.add_argument("--output", type=Path, default=Path(default_output))
    return parser.parse_args()
