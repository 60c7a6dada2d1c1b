"""Reading legacy pickles of lists, bytes, booleans and NumPy arrays, and of nothing else.

A pickle is a program: it can call what ``find_class`` hands out. Here it gets a few harmless stand-ins, none
of which is a NumPy constructor: what it builds with them are inert records, turned into arrays only after
their dtype, shape and size have been checked. Everything else it asks for is refused by name.
"""

from __future__ import annotations

import io
import math
import pickle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fr_eval.errors import InputError

__all__ = ["restricted_loads"]

_PLAIN_DTYPES = {"u1", "b1", "i1", "i2", "i4", "i8", "u2", "u4", "u8"}


def restricted_loads(content: bytes, what: str) -> Any:
    """Return what a pickle of lists, tuples, bytes, booleans, numbers and integer arrays holds.

    Parameters
    ----------
    content : bytes
    what : str
        What the message calls it: the file.

    Raises
    ------
    InputError
        A pickle that asks for anything else (nothing of it is run), or that is cut short or damaged.
    """
    try:
        loaded = _Unpickler(io.BytesIO(content), encoding="bytes").load()
        return _resolve(loaded, {})
    except _RefusedError as error:
        raise InputError(f"{what}: refused, the pickle asks for {error}") from None
    except Exception as error:  # a damaged pickle raises whatever its bytes spell
        raise InputError(f"{what}: not a readable pickle ({type(error).__name__}: {error})") from None


class _RefusedError(Exception):
    """The pickle asks for something outside the list."""


class _Dtype:
    """The record of a dtype: its name, and a byte order from its state."""

    def __init__(self, name: Any, *_flags: Any) -> None:
        self.name = name.decode() if isinstance(name, bytes) else name
        self.order: Any = "|"

    def __setstate__(self, state: Any) -> None:
        order = state[1]
        self.order = order.decode() if isinstance(order, bytes) else order

    def resolve(self) -> np.dtype[Any]:
        if self.name not in _PLAIN_DTYPES or self.order not in ("|", "<", ">", "="):
            raise _RefusedError(f"dtype {self.name!r}")
        return np.dtype(self.name).newbyteorder("=" if self.order == "|" else self.order)


class _Array:
    """The record of an array: shape, dtype, memory order and bytes."""

    def __init__(self, state: Any = None) -> None:
        self.state = state

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def resolve(self) -> NDArray[Any]:
        _version, shape, dtype, fortran_order, content = self.state
        if not isinstance(dtype, _Dtype) or not isinstance(content, bytes | bytearray):
            raise _RefusedError("an array of objects")
        resolved = dtype.resolve()
        if math.prod(shape) * resolved.itemsize != len(content):
            raise ValueError(f"array of shape {shape} with {len(content)} bytes")
        return np.frombuffer(content, resolved).reshape(shape, order="F" if fortran_order else "C")


class _Scalar:
    """The record of a NumPy scalar."""

    def __init__(self, dtype: Any, content: Any) -> None:
        self.dtype = dtype
        self.content = content

    def resolve(self) -> Any:
        if not isinstance(self.dtype, _Dtype) or not isinstance(self.content, bytes):
            raise _RefusedError("a NumPy scalar of an object")
        return np.frombuffer(self.content, self.dtype.resolve())[0].item()


class _StandIn:
    """What a pickle may call. Without slots or dict: a pickle cannot change it."""

    __slots__ = ()


class _Reconstruct(_StandIn):
    __slots__ = ()

    def __call__(self, *_arguments: Any) -> _Array:
        return _Array()


class _FromBuffer(_StandIn):
    """How protocol 5 writes an array."""

    __slots__ = ()

    def __call__(self, content: Any, dtype: Any, shape: Any, order: Any) -> _Array:
        return _Array((1, shape, dtype, order == "F", content))


class _MakeDtype(_StandIn):
    __slots__ = ()

    def __call__(self, name: Any, *flags: Any) -> _Dtype:
        return _Dtype(name, *flags)


class _MakeScalar(_StandIn):
    __slots__ = ()

    def __call__(self, dtype: Any, content: Any) -> _Scalar:
        return _Scalar(dtype, content)


class _ArrayType(_StandIn):
    """``numpy.ndarray``, which is only ever an argument of ``_reconstruct``."""

    __slots__ = ()


class _Encode(_StandIn):
    """``_codecs.encode``, by which protocol 2 writes bytes from Python 3."""

    __slots__ = ()

    def __call__(self, text: Any, encoding: Any = "latin1") -> bytes:
        if not isinstance(text, str) or encoding not in ("latin1", b"latin1"):
            raise _RefusedError(f"_codecs.encode with {encoding!r}")
        return text.encode("latin1")


_NUMPY_MODULES = (
    "numpy",
    "numpy.core.multiarray",
    "numpy.core.numeric",
    "numpy._core.multiarray",
    "numpy._core.numeric",
)
_STAND_INS: dict[str, _StandIn] = {
    "_frombuffer": _FromBuffer(),
    "_reconstruct": _Reconstruct(),
    "dtype": _MakeDtype(),
    "ndarray": _ArrayType(),
    "scalar": _MakeScalar(),
}
_ENCODE = _Encode()


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module in _NUMPY_MODULES and name in _STAND_INS:
            return _STAND_INS[name]
        if (module, name) == ("_codecs", "encode"):
            return _ENCODE
        raise _RefusedError(f"{module}.{name}")

    def persistent_load(self, _identifier: Any) -> Any:
        raise _RefusedError("a persistent object")


def _resolve(value: Any, known: dict[int, Any]) -> Any:
    """Turn records into arrays and numbers, inside lists and tuples.

    ``known`` holds the lists that are done, by identity: a list that a pickle repeats is walked once, so that
    a few bytes of lists of lists cannot ask for exponential work.
    """
    if isinstance(value, list | tuple):
        if id(value) not in known:
            known[id(value)] = [_resolve(item, known) for item in value]
        return known[id(value)]
    if isinstance(value, _Array | _Scalar):
        return value.resolve()
    if isinstance(value, bytes | bool | int):
        return value
    raise _RefusedError(f"an object of type {type(value).__name__}")
