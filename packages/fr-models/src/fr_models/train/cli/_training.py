"""What the commands that train have in common."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from fr_eval import MissingExtraError
from fr_eval.command_line import quiet_tensorflow


@contextmanager
def training() -> Iterator[None]:
    """Import TensorFlow without what it writes but with a word, and give its errors in one line.

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
