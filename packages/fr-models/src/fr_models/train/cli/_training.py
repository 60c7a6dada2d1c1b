"""What the commands that train have in common."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from fr_eval import MissingExtraError
from fr_eval.command_line import INTERRUPTED, quiet_tensorflow

from fr_models.train.run_folder import RunFolder


@contextmanager
def training(folder: Path, command: str | None = None) -> Iterator[None]:
    """Import TensorFlow without what it writes but with a word, and give its errors in one line.

    Interrupted, it ends with the command that goes on with the run in ``folder``, if that has begun:
    ``fr-train resume``, or another one.

    Raises
    ------
    MissingExtraError
        If what training needs is not installed.
    ValueError
        If TensorFlow fails in the block, as for want of memory, or at a file that cannot be written.
    """
    if find_spec("fr_losses") is None:
        raise MissingExtraError("fr-losses", "fr-losses", "training")
    if "tensorflow" not in sys.modules:
        print("fr-train: loading TensorFlow", file=sys.stderr)
    quiet_tensorflow()
    import tensorflow as tf

    from fr_models.train._device_errors import reason

    try:
        yield
    except tf.errors.OpError as error:
        raise ValueError(reason(error)) from error
    except KeyboardInterrupt:
        if not RunFolder(folder).recipe.is_file():
            raise
        again = command or shlex.join(["fr-train", "resume", str(folder)])
        print(f"fr-train: interrupted; {again} goes on", file=sys.stderr)
        sys.exit(INTERRUPTED)
