"""Layers of networks whose images are ``[C, H, W]`` and whose kernels are ``[O, I, H, W]``."""

from __future__ import annotations

from collections.abc import Mapping

from fr_models.weights._records import Array, FileLayer


def file_layer(
    name: str, tensors: Mapping[str, Array], names: Mapping[str, str], epsilon: float
) -> FileLayer:
    """Return a layer in Keras's layout.

    Parameters
    ----------
    name : str
        Of the layer.
    tensors, names : dict
        By role: ``kernel`` and ``bias``, or those of batch normalisation, or ``alpha``.
    epsilon : float
        Of batch normalisation.
    """
    laid = dict(tensors)
    kind = "other"
    if "mean" in laid:
        kind = "bn"
    elif "alpha" in laid:
        kind = "prelu"
    elif "kernel" in laid and laid["kernel"].ndim in (2, 4):
        kind, laid["kernel"] = _kernel(laid["kernel"])
    return FileLayer(
        name=name,
        kind=kind,
        tensors=laid,
        names=dict(names),
        epsilon=epsilon,
        channels_first=True,
        pads_alike=True,
    )


def _kernel(kernel: Array) -> tuple[str, Array]:
    if kernel.ndim == 2:
        return "conv", kernel.T
    if kernel.shape[1] == 1 and kernel.shape[0] > 1:
        return "depthwise", kernel.transpose(2, 3, 0, 1)
    return "conv", kernel.transpose(2, 3, 1, 0)
