"""``fr-tf-ops``: compile the op ahead of its first use, or say what there is."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from fr_tf_ops._unavailable import UnavailableError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 1 if the op is not available."""
    parser = argparse.ArgumentParser(prog="fr-tf-ops", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="compile the op for the installed TensorFlow, unless it is cached")
    commands.add_parser("info", help="print versions, the cached library and the instruction set in use")
    command = parser.parse_args(arguments).command
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        _build() if command == "build" else _info()
    except UnavailableError as error:
        print(f"fr-tf-ops: {error}", file=sys.stderr)
        return 1
    return 0


def _build() -> None:
    from fr_tf_ops._library import built_library, library

    built_library(must_stay=True)
    library()


def _info() -> None:
    from fr_tf_ops import _cache, _library, _target, functions
    from fr_tf_ops._compiler import find_compiler

    target = _target.this_target()
    print(f"TensorFlow  {target.tensorflow}, C++ ABI {target.abi}, {target.system} {target.machine}")
    try:
        print(f"compiler    {find_compiler().name}")
    except UnavailableError as error:
        print(f"compiler    {error}")
    path = _library.cached_path(target)
    if not _cache.is_whole(path):
        print(f"library     {path}: not built")
        return
    print(f"library     {path}")
    print(f"ISA         {functions.isa()} of {', '.join(functions.isas())}")


if __name__ == "__main__":
    sys.exit(main())
