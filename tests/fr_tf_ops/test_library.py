"""What is compiled, what is cached, and what happens where neither works."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import tensorflow as tf
from fr_tf_ops import UnavailableError, _build, _cache, _compiler, _library, _sources
from fr_tf_ops._target import this_target

CONTENT = b"what the linker made"
FAILING_COMPILER = """#!/bin/sh
test "$1" = --version && { echo "badc++ 1.0"; exit 0; }
echo "ops.cpp:1: note: here"
echo "ops.cpp:1: error: no such luck"
exit 1
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FR_TF_OPS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Builds that took place, by their logs; they compile nothing."""
    logs: list[Path] = []

    def build(*_: object, log: Path) -> bytes:
        logs.append(log)
        return CONTENT

    monkeypatch.setattr(_library, "build", build)
    return logs


@pytest.fixture
def failing_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "badc++"
    path.write_text(FAILING_COMPILER)
    path.chmod(0o755)
    monkeypatch.setenv("CXX", str(path))
    return path


def test_built_once(cache: Path, builds: list[Path], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fr_tf_ops")
    path = _library.built_library()
    assert path.parent == cache and _cache.is_whole(path) and path.read_bytes().startswith(CONTENT)
    assert _library.built_library() == path
    assert len(builds) == 1
    assert [record.getMessage().split()[0] for record in caplog.records] == ["compiled", "found"]


def test_name_of_the_library(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = _library.cached_path(this_target()).name
    assert tf.__version__ in name and f"abi{tf.sysconfig.CXX11_ABI_FLAG}" in name
    monkeypatch.setattr(_sources, "COMMON_FLAGS", (*_sources.COMMON_FLAGS, "-g"))
    assert _library.cached_path(this_target()).name != name


def test_folder_of_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FR_TF_OPS_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert _cache.cache_folder() == Path.home() / ".cache" / "fr-tf-ops"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert _cache.cache_folder() == tmp_path / "fr-tf-ops"
    monkeypatch.setenv("FR_TF_OPS_CACHE", str(tmp_path / "own"))
    assert _cache.cache_folder() == tmp_path / "own"


@pytest.mark.parametrize("damage", ["cut", "changed", "empty"])
def test_a_damaged_library_is_built_again(cache: Path, builds: list[Path], damage: str) -> None:
    path = _library.built_library()
    whole = path.read_bytes()
    damaged = {"cut": whole[:-20], "changed": b"W" + whole[1:], "empty": b""}
    path.write_bytes(damaged[damage])
    assert _library.built_library() == path
    assert path.read_bytes() == whole and len(builds) == 2


def test_a_library_that_does_not_load_is_built_again(
    cache: Path, builds: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[Path] = []

    def loaded(path: Path) -> str:
        loads.append(path)
        if len(loads) == 1:
            raise tf.errors.NotFoundError(None, None, "undefined symbol: of another TensorFlow")
        return "library"

    monkeypatch.setattr(_library, "_loaded", loaded)
    assert _library._library.__wrapped__() == "library"
    assert len(builds) == 2
    loads.clear()
    monkeypatch.setattr(_library, "_loaded", lambda path: loaded(loads.clear() or path))
    with pytest.raises(UnavailableError, match="does not load: undefined symbol"):
        _library._library.__wrapped__()


def test_a_cache_that_cannot_be_written(
    builds: list[Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FR_TF_OPS_CACHE", "/dev/null/cache")
    path = _library.built_library()
    assert _cache.is_whole(path)
    assert "/dev/null/cache cannot be written" in caplog.text
    assert _library.built_library() == path and len(builds) == 1
    path.unlink()


def test_a_compiler_that_fails(cache: Path, failing_compiler: Path) -> None:
    with pytest.raises(
        UnavailableError, match=r"badc\+\+ failed, ops/module.cpp: .*error: no such luck; log: "
    ) as caught:
        _library.built_library()
    assert "\n" not in str(caught.value)
    log = Path(str(caught.value).rpartition("log: ")[2])
    assert log.parent == cache and "note: here" in log.read_text()
    assert not list(cache.glob("*.so")) and not list(cache.glob("*.tmp"))


def test_no_compiler(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "/no/such/compiler -m64")
    with pytest.raises(UnavailableError, match="CXX is '/no/such/compiler -m64', which is not there"):
        _library.built_library()
    monkeypatch.delenv("CXX")
    monkeypatch.setenv("PATH", "/no/such/folder")
    with pytest.raises(
        UnavailableError, match=r"none of c\+\+, g\+\+, clang\+\+ is there; install one, or set CXX"
    ):
        _library.built_library()


def test_a_compiler_that_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c++"
    path.write_text("#!/bin/sh\nexit 3\n")
    path.chmod(0o755)
    monkeypatch.setenv("CXX", str(path))
    with pytest.raises(UnavailableError, match="does not run"):
        _compiler.find_compiler()


def test_built_ahead_where_there_was_a_compiler(
    cache: Path, builds: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _library.built_library()
    monkeypatch.setenv("CXX", "/no/such/compiler")
    assert _library.built_library() == path and len(builds) == 1


def test_sources_of_machines() -> None:
    x86 = {source.name: source.flags for source in _sources.sources("x86_64")}
    arm = {source.name: source.flags for source in _sources.sources("aarch64")}
    assert "-mavx512bf16" in x86["kernels/products_avx512bf16.cpp"]
    assert not any(flag.startswith("-m") for flag in x86["kernels/products_generic.cpp"])
    assert "kernels/products_generic.cpp" in arm and not any("avx" in name for name in arm)
    assert not any(flag.startswith(("-m", "-DFR_X86")) for flags in arm.values() for flag in flags)
    assert next(iter(x86)) == "ops/module.cpp"


@pytest.mark.slow
def test_no_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of our own sources; TensorFlow's headers are the system's."""
    checks = ("-fsyntax-only", "-Wall", "-Wextra", "-Werror")
    monkeypatch.setattr(_sources, "COMMON_FLAGS", (*_sources.COMMON_FLAGS, *checks))
    compiler, target = _compiler.find_compiler(), this_target()
    units = _sources.sources(target.machine)
    commands = [_build._compile_command(compiler, target, unit, Path(os.devnull)) for unit in units]
    with ThreadPoolExecutor(2) as pool:
        for done in pool.map(_build._run, commands):
            assert done.returncode == 0, done.stdout


def test_two_processes_at_once(tmp_path: Path) -> None:
    """The second waits for the first and finds what that made."""
    program = """
import sys, time
from pathlib import Path
from fr_tf_ops import _cache
def build():
    Path(sys.argv[2]).open("a").write("built ")
    time.sleep(1)
    return b"content"
print(_cache.ensure(Path(sys.argv[1]), build))
"""
    command = [sys.executable, "-c", program, str(tmp_path / "a" / "library.so"), str(tmp_path / "log")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    made = sorted(process.communicate()[0].strip() for process in processes)
    assert made == ["False", "False", "True"]
    assert (tmp_path / "log").read_text() == "built "
    assert _cache.is_whole(tmp_path / "a" / "library.so")


def test_a_build_that_was_killed_leaves_nothing_that_is_taken_for_whole(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from fr_tf_ops import _cache
_cache.ensure(Path(sys.argv[1]), lambda: sys.stdin.read())
"""
    path = tmp_path / "library.so"
    process = subprocess.Popen([sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE)
    while not path.with_suffix(".lock").exists():
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert _cache.ensure(path, lambda: CONTENT)
    assert _cache.is_whole(path)
    assert path.stat().st_mode & 0o777 == 0o644
    assert sorted(file.name for file in tmp_path.iterdir()) == ["library.lock", "library.so"]
