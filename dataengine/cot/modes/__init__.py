"""The tasks of the five modes; a new task is a class here and a line in ``dataengine.cot.tasks.registry``."""

from __future__ import annotations

from dataengine.cot.core.record import MODES

__all__ = ["MODES"]
