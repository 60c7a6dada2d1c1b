"""Ctrl-C and the signal to terminate: the step in hand is finished and kept before the run stops."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

__all__ = ["Interrupts"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Within the block, the first signal is only noted; a second one stops at once, as ever.

    Outside of the main thread, which alone receives signals, it does nothing.

    Parameters
    ----------
    heed : bool
        Whether signals are heeded; of several workers, none can stop at a step of its own.

    Attributes
    ----------
    wanted : bool
        Whether a signal came.
    """

    def __init__(self, heed: bool = True) -> None:
        self._heed = heed
        self.wanted = False
        self._before: dict[signal.Signals, Any] = {}

    def heed(self) -> None:
        """Stop here if a signal came.

        Raises
        ------
        KeyboardInterrupt
            If one did.
        """
        if self.wanted:
            raise KeyboardInterrupt

    def __enter__(self) -> Interrupts:
        if self._heed and threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def _note(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.wanted = True
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
