"""The op, compiled for this TensorFlow or found in the cache, on every instruction set that this CPU has."""

from __future__ import annotations

from types import ModuleType

import fr_tf_ops
import pytest

ISAS = fr_tf_ops.load().isas()


@pytest.fixture(scope="session")
def ops() -> ModuleType:
    return fr_tf_ops.load()


@pytest.fixture(params=ISAS)
def isa(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, ops: ModuleType) -> str:
    monkeypatch.setenv("FR_TF_OPS_ISA", request.param)
    assert ops.isa() == request.param
    return str(request.param)
