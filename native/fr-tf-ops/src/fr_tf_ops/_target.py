"""What a library is compiled for: a TensorFlow, and the kind of machine it runs on."""

from __future__ import annotations

import platform
from typing import NamedTuple

import tensorflow as tf


class Target(NamedTuple):
    """A TensorFlow on a machine."""

    tensorflow: str
    abi: int
    """``_GLIBCXX_USE_CXX11_ABI``."""
    system: str
    machine: str
    compile_flags: tuple[str, ...]
    link_flags: tuple[str, ...]

    @property
    def name(self) -> str:
        """All of it that a library depends on, but for where TensorFlow lies."""
        return f"tensorflow{self.tensorflow}-abi{self.abi}-{self.system}-{self.machine}".lower()


def this_target() -> Target:
    """Return the TensorFlow that is imported."""
    return Target(
        tf.__version__,
        int(tf.sysconfig.CXX11_ABI_FLAG),
        platform.system(),
        platform.machine(),
        tuple(_as_system_header(flag) for flag in tf.sysconfig.get_compile_flags()),
        tuple(tf.sysconfig.get_link_flags()),
    )


def _as_system_header(flag: str) -> str:
    """Keep warnings to our own sources."""
    return f"-isystem{flag.removeprefix('-I')}" if flag.startswith("-I") else flag
