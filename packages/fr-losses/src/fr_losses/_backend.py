"""Who computes the sums over classes: pure TensorFlow, or fr-tf-ops' op where it can run."""

from __future__ import annotations

import functools
import logging
from typing import Any, Protocol

import tensorflow as tf

from fr_losses import _class_sums, _keras
from fr_losses._checks import one_of, share
from fr_losses._negatives import HardNegatives, LinearAngles, Negatives, WithoutConflicts

NAMES = ("auto", "op", "tensorflow")
PRODUCTS = ("float32", "bfloat16")
logger = logging.getLogger("fr_losses")


class Backend(Protocol):
    """The functions of `_class_sums.py`, for one kind of products."""

    supports_xla: bool

    def softmax_sums(
        self,
        x: tf.Tensor,
        weights: tf.Tensor,
        labels: tf.Tensor,
        scale: Any,
        negatives: Negatives,
        sub_centers: int,
        *,
        with_total: bool,
        with_largest: bool,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        """See `_class_sums.softmax_sums`."""
        ...

    def unified_sums(
        self,
        x: tf.Tensor,
        weights: tf.Tensor,
        labels: tf.Tensor,
        scale: float,
        bias: tf.Tensor,
        sub_centers: int,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """See `_class_sums.unified_sums`."""
        ...


class TensorFlowSums:
    """Pure TensorFlow: everywhere, XLA included."""

    supports_xla = True

    def __init__(self, products: str) -> None:
        self.softmax_sums = functools.partial(_class_sums.softmax_sums, products=products)
        self.unified_sums = functools.partial(_class_sums.unified_sums, products=products)


class OpSums:
    """fr-tf-ops: on a CPU, not under XLA."""

    supports_xla = False

    def __init__(self, ops: Any, products: str, skip_below: float) -> None:
        self._ops, self._products, self._skip_below = ops, products, skip_below

    def softmax_sums(
        self,
        x: tf.Tensor,
        weights: tf.Tensor,
        labels: tf.Tensor,
        scale: Any,
        negatives: Negatives,
        sub_centers: int,
        *,
        with_total: bool,
        with_largest: bool,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        """See `_class_sums.softmax_sums`."""
        del with_total, with_largest  # they cost the op nothing
        settings: dict[str, Any] = {
            "sub_centers": sub_centers,
            "products": self._products,
            "skip_below": self._skip_below,
        }
        if isinstance(negatives, HardNegatives):
            settings |= {"negatives": "hard", **negatives._asdict()}
        elif isinstance(negatives, WithoutConflicts):
            settings |= {"negatives": "drop", **negatives._asdict()}
        elif isinstance(negatives, LinearAngles):
            settings |= {"negatives": "angle"}
        return self._ops.softmax_sums(x, weights, labels, scale, **settings)

    def unified_sums(
        self,
        x: tf.Tensor,
        weights: tf.Tensor,
        labels: tf.Tensor,
        scale: float,
        bias: tf.Tensor,
        sub_centers: int,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """See `_class_sums.unified_sums`."""
        return self._ops.unified_sums(
            x, weights, labels, scale, bias, sub_centers=sub_centers, products=self._products
        )


def choose(backend: str, products: str, skip_below: float = 0.0, dtype: Any = tf.float32) -> Backend:
    """Return the backend of this name; ``auto`` takes the op where there is one and it can run.

    `skip_below` is the op's, which computes in float32 only; pure TensorFlow leaves nothing out.

    Raises
    ------
    ValueError
        If a name is unknown.
    RuntimeError
        If the op is asked for by name and cannot run, with the reason.
    """
    one_of("backend", backend, NAMES)
    one_of("products", products, PRODUCTS)
    share("skip_below", skip_below)
    if backend == "tensorflow":
        return TensorFlowSums(products)
    ops, reason = _op() if dtype == tf.float32 else (None, f"it computes in float32, not in {dtype.name}")
    if ops is not None and not _keras.within_xla():
        return OpSums(ops, products, skip_below)
    if backend == "op":
        raise RuntimeError(f"backend: the op cannot run: {reason or 'this function is compiled by XLA'}")
    return TensorFlowSums(products)


@functools.cache
def _op() -> tuple[Any, str]:
    """Load the op once; without one, say why, in one log line."""
    try:
        import fr_tf_ops
    except ModuleNotFoundError:
        return None, "fr-tf-ops is not installed: pip install 'fr-losses[op]'"
    if tf.config.list_physical_devices("GPU"):
        reason = "it is for CPUs, and TensorFlow sees a GPU"
    else:
        try:
            return fr_tf_ops.load(), ""
        except fr_tf_ops.UnavailableError as error:
            reason = str(error)
    logger.warning("fr-tf-ops: %s; the fused head runs in pure TensorFlow", reason)
    return None, reason
