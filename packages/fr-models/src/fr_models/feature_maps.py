"""Which layers of a teacher and a student can be compared in distillation."""

from __future__ import annotations
