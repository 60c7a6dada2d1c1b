"""The C++ compiler of this machine."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
from typing import NamedTuple

from fr_tf_ops._unavailable import UnavailableError

NAMES = ("c++", "g++", "clang++")


class Compiler(NamedTuple):
    """A command and what it says about itself."""

    command: tuple[str, ...]
    version: str
    """All that ``--version`` prints."""

    @property
    def name(self) -> str:
        """The first line of its version."""
        return self.version.partition("\n")[0]

    @property
    def digest(self) -> str:
        """Changes when the compiler does."""
        return hashlib.sha256("\0".join([*self.command, self.version]).encode()).hexdigest()[:8]


def find_compiler() -> Compiler:
    """Return the compiler that ``CXX`` names, else the first of ``c++``, ``g++`` and ``clang++``.

    Raises
    ------
    UnavailableError
        If there is none, or it does not run.
    """
    wanted = os.environ.get("CXX")
    try:
        candidates = [shlex.split(wanted)] if wanted else [[name] for name in NAMES]
    except ValueError as error:
        raise UnavailableError(f"CXX is {wanted!r}, which is no command: {error}") from None
    found = [command for command in candidates if command and shutil.which(command[0])]
    if not found:
        none = f"none of {', '.join(NAMES)} is there"
        missing = f"CXX is {wanted!r}, which is not there" if wanted else none
        raise UnavailableError(f"no C++ compiler: {missing}; install one, or set CXX")
    command = found[0]
    try:
        version = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise UnavailableError(f"the C++ compiler does not run: {shlex.join(command)}: {error}") from error
    return Compiler(tuple(command), version)
