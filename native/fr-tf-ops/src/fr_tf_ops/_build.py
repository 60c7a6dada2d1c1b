"""Compile the sources and link them to one library."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fr_tf_ops._compiler import Compiler
from fr_tf_ops._sources import FOLDER, Source, sources
from fr_tf_ops._target import Target
from fr_tf_ops._unavailable import UnavailableError


def build(compiler: Compiler, target: Target, log: Path) -> bytes:
    """Return the library, compiled in a temporary folder; what the compiler says goes to ``log``.

    Raises
    ------
    UnavailableError
        If the compiler fails, with its last error and where the log is.
    """
    with tempfile.TemporaryDirectory(prefix="fr-tf-ops-") as folder:
        library = Path(folder) / "library.so"
        units = sources(target.machine)
        objects = [Path(folder) / f"{number}.o" for number in range(len(units))]
        commands = [_compile_command(compiler, target, *pair) for pair in zip(units, objects, strict=True)]
        with ThreadPoolExecutor(_cores()) as pool:
            outputs = list(pool.map(_run, commands))
        names = [unit.name for unit in units]
        if not any(output.returncode for output in outputs):
            names.append("linking")
            outputs.append(_run(_link_command(compiler, target, objects, library)))
        log.write_text("\n".join(f"$ {shlex.join(output.args)}\n{output.stdout}" for output in outputs))
        for name, output in zip(names, outputs, strict=True):
            if output.returncode:
                raise UnavailableError(
                    f"{compiler.command[0]} failed, {name}: {_last_error(output.stdout)}; log: {log}"
                )
        return library.read_bytes()


def _compile_command(compiler: Compiler, target: Target, source: Source, to: Path) -> list[str]:
    flags = [*source.flags, f"-I{FOLDER}", *target.compile_flags]
    return [*compiler.command, *flags, "-c", str(source.path), "-o", str(to)]


def _link_command(compiler: Compiler, target: Target, objects: Sequence[Path], to: Path) -> list[str]:
    return [*compiler.command, "-shared", "-pthread", *map(str, objects), *target.link_flags, "-o", str(to)]


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False
    )


def _last_error(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or ["no message"])[-1]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
