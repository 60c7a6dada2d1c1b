"""The margin-softmax head of face recognition as a TensorFlow op for CPUs.

`load` compiles the op for the TensorFlow that is installed, once, and returns its functions. Importing this
package imports no TensorFlow.
"""

import os
from types import ModuleType

from fr_tf_ops._unavailable import UnavailableError

__all__ = ["UnavailableError", "load"]


def load() -> ModuleType:
    """Return the functions of the op, `fr_tf_ops.functions`, compiling it where no cached library fits.

    Raises
    ------
    UnavailableError
        If there is no compiler, or it fails, or this is Windows; one line says why.

    Examples
    --------
    >>> import tensorflow as tf
    >>> ops = load()
    >>> x, weights = tf.constant([[1.0, 0.0]]), tf.constant([[2.0, 0.0], [0.0, 1.0]])
    >>> float(ops.softmax_sums(x, weights, tf.constant([0]), scale=8.0).target[0])
    1.0
    """
    if os.name != "posix":
        raise UnavailableError(f"the op is for Linux and macOS, not for {os.name!r}")
    from fr_tf_ops import functions
    from fr_tf_ops._library import library

    library()
    return functions
