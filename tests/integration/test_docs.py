"""Every command and every code block of the READMEs and of docs/ runs.

A ``console`` block's lines, and the ``python`` blocks, run page by page, by ``_page.py``, in a folder with
the files of ``example_files.py``, whose phone is a program. Blocks under ``<!-- once -->`` are the README's
two commands, which set up and run this very environment: they are compared with hatch.toml and .ci/run
instead. ``json`` blocks must parse. Tables under ``<!-- printed, numbers to within X -->`` are printed by
their page; numbers differ by at most X.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.integration.example_files import write_example_files

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [
        ROOT / "README.md",
        *ROOT.glob("packages/*/README.md"),
        *ROOT.glob("native/*/README.md"),
        *ROOT.glob("docs/*.md"),
    ]
)
FENCE = re.compile(
    r"^(?P<once><!-- once -->\n)?```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
PRINTED = re.compile(r"^<!-- printed, numbers to within ([\d.]+) -->\n((?:\|.*\n)+)", re.MULTILINE)
NUMBER = re.compile(r"-?\d+(\.\d+)?")


class Block(NamedTuple):
    """A fenced block of a page."""

    kind: str
    text: str
    once: bool


def blocks(page: Path) -> list[Block]:
    found = [Block(m["kind"], m["text"], bool(m["once"])) for m in FENCE.finditer(page.read_text())]
    assert page.read_text().count("```") == 2 * len(found), f"{page}: a fence that this test does not see"
    return found


def commands(block: Block) -> list[str]:
    lines = block.text.splitlines()
    assert all(line.startswith("$ ") for line in lines), lines
    return [line.removeprefix("$ ") for line in lines]


def run_page(steps: list[tuple[str, str]], folder: Path) -> str:
    """Return what blocks of Python and commands print."""
    tools = [Path(sys.executable).parent, folder / "platform-tools"]
    path = os.pathsep.join([*map(str, tools), os.environ["PATH"]])
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("_page.py")],
        input=json.dumps(steps),
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def assert_printed(table: str, printed: str, tolerance: float) -> None:
    """All rows of a table were printed: words as they stand, numbers to within a tolerance."""
    rows, lines = cells(table), cells(printed)
    first = lines.index(rows[0])
    assert len(lines) >= first + len(rows), printed
    for row, line in zip(rows, lines[first:], strict=False):
        assert len(row) == len(line), f"{row}\n{line}"
        for expected, found in zip(row, line, strict=True):
            if NUMBER.fullmatch(expected):
                assert float(found) == pytest.approx(float(expected), abs=tolerance), f"{row}\n{line}"
            else:
                assert found == expected, f"{row}\n{line}"


def cells(text: str) -> list[list[str]]:
    """Cells of the lines that are rows of tables."""
    rows = [line.strip() for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_blocks_run(page: Path, tmp_path: Path) -> None:
    write_example_files(tmp_path)
    steps: list[tuple[str, str]] = []
    for block in blocks(page):
        if block.kind == "json":
            json.loads(block.text)
        elif block.kind == "python":
            steps.append(("python", block.text))
        elif block.kind == "console":
            steps += [] if block.once else [("command", command) for command in commands(block)]
        else:
            pytest.fail(f"{page}: a block of kind {block.kind!r} that nothing runs")
    printed = run_page(steps, tmp_path) if steps else ""
    for tolerance, table in PRINTED.findall(page.read_text()):
        assert_printed(table, printed, float(tolerance))


def test_the_two_commands() -> None:
    """They are scripts of the default environment, and CI runs the second one."""
    once = [command for block in blocks(ROOT / "README.md") if block.once for command in commands(block)]
    assert once == ["python -m pip install hatch && hatch run demo", "hatch run test"]
    scripts = tomllib.loads((ROOT / "hatch.toml").read_text())["envs"]["default"]["scripts"]
    assert scripts["demo"].startswith("fr-train demo") and scripts["test"].startswith("pytest")
    assert '"$hatch" run test' in (ROOT / ".ci" / "run").read_text()
    assert not any(block.once for page in PAGES if page != ROOT / "README.md" for block in blocks(page))


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=lambda page: str(page.relative_to(ROOT))
)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if target.startswith("http"):
            continue
        file, _, anchor = target.partition("#")
        linked = page.parent / file
        assert linked.exists(), f"{page}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(), re.MULTILINE)
            assert anchor in [re.sub(r"[^a-z0-9]+", "-", heading.lower()) for heading in headings]


def test_every_command_has_a_page() -> None:
    help_text = subprocess.run(
        [sys.executable, "-m", "fr_eval.cli", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "NO_COLOR": "1", "TERM": "dumb"},
    ).stdout
    for page in ("embed", "verify", "allpairs", "bin", "ijb", "identify", "compare", "demo"):
        assert page in help_text and (ROOT / "docs" / f"{page}.md").exists()
