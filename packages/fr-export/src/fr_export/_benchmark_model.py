"""What TFLite's ``benchmark_model`` prints of its runs.

The figures are in the last line of counts, the warm-up's being the first; its three forms over the
years differ in what they tell besides the mean.
"""

from __future__ import annotations

import math
import re

from fr_eval.errors import InputError

# count=50 first=8634 curr=8571 min=8455 max=9107 avg=8633.87 std=109 [p5=8460 median=8612 p95=8990]
# or, of equal or single runs, count=1 curr=8571[(all same)]; microseconds.
COUNTS = re.compile(r"\bcount=(\d+) (.*curr=.*)$", re.MULTILINE)
FIGURE = re.compile(r"\b(curr|min|avg|median)=([^\s\[\]()]*)")
FINISHED = re.compile(r"\b(?:Average i|I)nference timings in us: ")


class Crash(InputError):
    """A ``benchmark_model`` that did not finish one of its runs, or told figures that are no times."""


def read_timings(output: str) -> dict[str, float] | None:
    """Return the figures of ``benchmark_model``'s timed runs, or None if it did not finish.

    Returns
    -------
    dict
        ``count``; ``min``, ``avg`` and, of newer ones, ``median``, in microseconds.

    Raises
    ------
    Crash
        Figures that are no times.
    """
    lines = COUNTS.findall(output)
    if not lines or not FINISHED.search(output):
        return None
    count, text = lines[-1]
    figures = {name: _time(number, f"count={count} {text}") for name, number in FIGURE.findall(text)}
    equal = figures["curr"]  # of all runs, if they are the same
    return {"count": float(count), "min": equal, "avg": equal, **figures}


def _time(text: str, line: str) -> float:
    try:
        microseconds = float(text)
    except ValueError:
        microseconds = math.nan
    if not 0 <= microseconds < math.inf:
        raise Crash(f"expected times in microseconds, got '{line.strip()}'")
    return microseconds
