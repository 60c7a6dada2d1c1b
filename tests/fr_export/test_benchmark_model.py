"""What is read of recorded runs of ``benchmark_model``."""

from __future__ import annotations

import re

import pytest
from fr_eval import InputError
from fr_export._benchmark_model import read_timings

from tests.fr_export.recorded import RECORDED


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("oldest", {"count": 15, "min": 66699, "avg": 66767.6}),
        ("before percentiles", {"count": 50, "min": 32641, "avg": 33209.4}),
        ("percentiles", {"count": 25, "min": 140071, "avg": 145528, "median": 141253}),
        ("powers of ten", {"count": 50, "min": 2727568, "avg": 2.95034e6}),
        ("one run", {"count": 1, "min": 3512391, "avg": 3512391}),
        ("ignored flags", {"count": 50, "min": 73909, "avg": 74481.6}),
        ("LiteRT", {"count": 50, "min": 911877, "avg": 971535}),
    ],
)
def test_recorded_forms(form: str, expected: dict[str, float]) -> None:
    figures = read_timings(RECORDED[form])
    assert figures is not None
    assert {name: figures[name] for name in expected} == expected
    assert ("median" in figures) == (form == "percentiles")


@pytest.mark.parametrize("form", ["before percentiles", "percentiles"])
def test_unfinished(form: str) -> None:
    """Cut off before the last line of figures, the warm-up's would be taken for the timed runs."""
    whole = RECORDED[form]
    assert read_timings(whole[: whole.index("nference timings in us")]) is None
    assert read_timings("") is None


@pytest.mark.parametrize("field", ["curr", "min", "avg", "median"])
@pytest.mark.parametrize("value", ["nan", "-nan(ind)", "inf", "-1", "", "1.2.3"])
def test_figures_that_are_no_times(field: str, value: str) -> None:
    """None is left out: the mean would be taken for one that is missing."""
    whole, line = RECORDED["percentiles"].rsplit("count=25", 1)
    damaged = re.sub(rf"{field}=\S+", f"{field}={value}", line, count=1)
    with pytest.raises(InputError, match=r"^expected times in microseconds, got 'count=25 first=187533 "):
        read_timings(f"{whole}count=25{damaged}")
