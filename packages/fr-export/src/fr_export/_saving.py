"""What serving and the TFLite converter take: a SavedModel with a signature, and no more."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from fr_export._keras import tf_variables
from fr_export._messages import disk_full, is_disk_full
from fr_export._quiet import quiet

if TYPE_CHECKING:
    from fr_export._source import Source

__all__ = ["save"]


def save(source: Source, folder: Path, batch: int | None = None) -> None:
    """Save what serving needs: `keras.Model.export` of Keras 3 writes every variable twice.

    Parameters
    ----------
    source : Source
    folder : Path
        Where to.
    batch : int, optional
        By default any; where it is fixed, no operation computes shapes while the network runs.

    Raises
    ------
    OSError
        A full disk.
    """

    def embed(image: Any) -> Any:
        return {"embedding": source.model(image, training=False)}

    signature = tf.TensorSpec((batch, *source.image_shape), source.input_type, name="image")
    served = tf.Module()
    served.kept = tf_variables(source.model)
    served.serve = tf.function(embed, input_signature=[signature], autograph=False)
    try:
        with quiet():
            tf.saved_model.save(served, str(folder), signatures=served.serve)
    except tf.errors.OpError as error:
        if is_disk_full(error):
            raise disk_full() from None
        raise
