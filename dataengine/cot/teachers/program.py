"""A model's program as the decode child gets it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Program:
    """A model's program for a question: what it works on is the picture of the ``task``, by the question's parameters, so that it
    is what its output is checked on. The task of a plugin has no name here."""

    code: str
    task: str
    parameters: tuple[tuple[str, str], ...]
