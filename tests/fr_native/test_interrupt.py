"""Long work answers Ctrl-C and leaves other Python threads running."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import fr_native
import numpy as np
import pytest

SEARCH_FOREVER = """
import numpy as np, fr_native
rows = np.random.default_rng(0).standard_normal((40_000, 512)).astype(np.float32)
gallery = fr_native.Gallery(rows)
print("searching", flush=True)
try:
    gallery.search(rows, 10)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT cannot be sent to a child on Windows")
def test_ctrl_c_ends_a_search() -> None:
    import signal

    child = subprocess.Popen([sys.executable, "-c", SEARCH_FOREVER], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    with child, child.stdout:
        assert child.stdout.readline() == "searching\n"
        time.sleep(0.5)
        child.send_signal(signal.SIGINT)
        assert child.stdout.readline() == "interrupted\n"
    assert child.returncode == 0


def test_other_threads_run_during_a_search() -> None:
    rows = np.random.default_rng(0).standard_normal((6000, 256)).astype(np.float32)
    gallery = fr_native.Gallery(rows)
    ticks: list[float] = []
    done = threading.Event()

    def tick() -> None:
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    ticker = threading.Thread(target=tick)
    ticker.start()
    begin = time.perf_counter()
    gallery.search(rows, 50, threads=1)
    end = time.perf_counter()
    done.set()
    ticker.join()
    assert sum(begin < at < end for at in ticks) > 5
