"""JSON-ready forms shared by the results."""

from __future__ import annotations

from typing import Any

from fr_eval.intervals import Rate


def rate_json(rate: Rate) -> dict[str, Any]:
    """Return a rate with its counts, interval and the rule-of-3 and rule-of-30 flags."""
    return {
        "value": rate.value,
        "count": rate.count,
        "total": rate.total,
        "interval": list(rate.interval),
        "few": rate.few,
        "below_if_zero": rate.bound_if_zero,
    }
