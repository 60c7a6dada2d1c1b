"""Kinds of TFLite files, and what goes in and out of them; bad options are refused without TensorFlow."""

from __future__ import annotations

from fr_eval.errors import InputError, ParameterError

__all__ = ["CALIBRATED", "IO_TYPES", "KINDS", "check_kind", "check_options"]

KINDS = ("float32", "dynamic", "float16", "int8", "int16x8")
CALIBRATED = ("int8", "int16x8")
IO_TYPES = ("float", "int8", "uint8")


def check_kind(kind: str, parameter: str = "kind") -> None:
    """Refuse a kind that there is not, of a function's parameter."""
    if kind not in KINDS:
        raise ParameterError(parameter, f"expected {', '.join(KINDS)}, got {kind!r}")


def check_options(kind: str, io: str, has_images: bool, float_head: bool = False) -> None:
    """Refuse what there is not, calibration without images, and a head in float where it has no meaning.

    Raises
    ------
    InputError
        In one line.
    """
    check_kind(kind)
    if io not in IO_TYPES:
        raise ParameterError("io", f"expected {', '.join(IO_TYPES)}, got {io!r}")
    if io != "float" and kind != "int8":
        raise ParameterError("io", f"{io} goes in and out of int8 files only, not of {kind}")
    if float_head and kind not in CALIBRATED:
        raise ParameterError(
            "float_head", f"expected int8 or int16x8, other kinds compute in float, got {kind}"
        )
    if float_head and io != "float":
        raise ParameterError("float_head", f"its embeddings are float32, expected float in and out, got {io}")
    if kind in CALIBRATED and not has_images:
        raise InputError(f"{kind}: needs representative images, to know the ranges of activations")
