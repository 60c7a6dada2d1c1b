"""Runs jobs of several tools in turn, each in a process and an environment of its own, and tables medians.

For Linux: it reads cores and memory where Linux has them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from fr_eval import provenance
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
CORES = len(os.sched_getaffinity(0))

LARGEST_DIFFERENCE = 0.1  # of a rate, of few scores; of many, conventions differ by far less

Run = dict[str, Any]


@dataclass(frozen=True)
class Contender:
    """A tool, the job that measures it, and the hatch environment that holds it.

    ``variables`` are set in its process; ``script`` is the file of the job.
    """

    name: str
    job: str
    environment: str | None = None
    variables: dict[str, str] = field(default_factory=dict)
    script: str = "jobs.py"


class Worker:
    """A process that has built what its job needs and runs it when told to."""

    def __init__(self, contender: Contender, folder: Path) -> None:
        self.contender = contender
        threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "FR_NUM_THREADS")
        environment = os.environ | {name: str(CORES) for name in threads} | contender.variables
        command = [python_of(contender.environment), str(HERE / contender.script), contender.job, str(folder)]
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.built = self._answer()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def run(self, task: dict[str, Any]) -> Run:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(task) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> Run:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.contender.name}: the job ended early, see above")
        return json.loads(line)


def python_of(environment: str | None) -> str:
    if environment is None:
        return sys.executable
    found = subprocess.run(
        ["hatch", "env", "find", environment], cwd=HERE.parent, capture_output=True, text=True, check=True
    )
    folder = Path(found.stdout.strip().splitlines()[-1])
    python = folder / "bin" / "python"
    if not python.exists():
        sys.exit(f"no environment {environment}: run `hatch env create {environment}`, or pass --only-ours")
    return str(python)


@contextmanager
def opened(contenders: list[Contender], arrays: dict[str, np.ndarray]) -> Iterator[tuple[Path, list[Worker]]]:
    """Start a worker for each contender, and give them and the folder that they share."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        for name, array in arrays.items():
            np.save(Path(folder) / f"{name}.npy", array)
        yield Path(folder), [stack.enter_context(Worker(c, Path(folder))) for c in contenders]


def in_turn(
    workers: list[Worker], rounds: int, tasks: Sequence[dict[str, Any]]
) -> list[dict[str, list[Run]]]:
    """Run every task on every worker once a round, in turn, so that a slow minute hits all of them.

    Returns, for each task, the runs of each contender.
    """
    runs: list[dict[str, list[Run]]] = [{w.contender.name: [] for w in workers} for _ in tasks]
    for turn in range(rounds):
        for of_task, task in zip(runs, tasks, strict=True):
            for worker in workers[turn % len(workers) :] + workers[: turn % len(workers)]:
                of_task[worker.contender.name].append(worker.built | worker.run(task))
    for of_task in runs:
        require_agreement(of_task)
    return runs


def measure(
    contenders: list[Contender],
    arrays: dict[str, np.ndarray],
    rounds: int,
    tasks: tuple[dict[str, Any], ...] = ({},),
) -> list[dict[str, list[Run]]]:
    """Run tasks as `in_turn` does, by workers of their own."""
    with opened(contenders, arrays) as (_, workers):
        return in_turn(workers, rounds, tasks)


def require_agreement(runs: dict[str, list[Run]]) -> None:
    """Stop if a tool's figures are far from the first one's: tools differ by their conventions only."""
    first, *others = runs
    for name in others:
        for ours, theirs in zip(runs[first][0]["figures"], runs[name][0]["figures"], strict=False):
            if abs(ours - theirs) > LARGEST_DIFFERENCE:
                sys.exit(f"{name} finds {theirs:.6f} where {first} finds {ours:.6f}")


def median(runs: list[Run], key: str = "seconds") -> float:
    return statistics.median(run[key] for run in runs)


def machine() -> dict[str, Any]:
    return {**provenance.machine(), "python": platform.python_version()}


def new_table(title: str, *headings: str) -> Table:
    table = Table(title=title, box=SIMPLE_HEAD, title_justify="left")
    table.add_column("tool")
    for heading in headings:
        table.add_column(heading, justify="right")
    return table


def show(table: Table) -> None:
    Console(width=150, highlight=False).print(table)


def write(output: Path, **content: Any) -> None:
    output.write_text(json.dumps({"machine": machine(), **content}, indent=2))
    print(f"{machine()}; all runs in {output}")


def report(title: str, runs: dict[str, list[Run]], headings: list[str]) -> None:
    """Print a table of medians; ``headings`` name the figures that tools must agree on."""
    first = next(iter(runs))
    base = median(runs[first])
    table = new_table(title, "median s", "min - max s", f"times {first}", "added MB", "peak MB", *headings)
    for name, results in runs.items():
        seconds = [run["seconds"] for run in results]
        memory = [f"{median(results, key):.0f}" for key in ("added_mb", "peak_mb")]
        figures = [f"{figure:.5f}" for figure in results[0]["figures"][: len(headings)]]
        spread = f"{min(seconds):.2f} - {max(seconds):.2f}"
        table.add_row(
            name, f"{median(results):.3f}", spread, f"{median(results) / base:.1f}", *memory, *figures
        )
    show(table)


def options(description: str, default_output: str, rounds: int = 5) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=rounds, help=f"runs of each tool (default {rounds})")
    parser.add_argument("--quick", action="store_true", help="a small input, to see that it works")
    parser.add_argument("--only-ours", action="store_true", help="no peers from other environments")
    parser.add_argument("--output", type=Path, default=Path(default_output))
    return parser.parse_args()


def chosen(contenders: list[Contender], choice: argparse.Namespace) -> list[Contender]:
    return [c for c in contenders if not (choice.only_ours and c.environment)]
