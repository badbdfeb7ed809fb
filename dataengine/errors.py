"""Exceptions of dataengine; the class decides how far a failure reaches::

    DataEngineError
    ├── UsageError        the recipe, policy or command line is wrong; nothing ran (exit code 2)
    ├── InputError        one bad input: becomes a failure row, the run continues
    ├── PartitionError    one partition failed for a transient reason; the engine retries it
    └── RunError          the run cannot continue (exit code 1)
        └── BalanceError  the ledger does not add up (exit code 3)

All of them pickle, so that they cross processes and Ray unchanged.
"""

from __future__ import annotations


class DataEngineError(Exception):
    """Base class of all errors that dataengine raises on purpose."""


class UsageError(DataEngineError):
    """The recipe, a policy or the command line is wrong; the message says where, and what would be right."""


class InputError(DataEngineError):
    """One input cannot be used. ``failure`` is a short stable class, ``message`` a sentence for a person."""

    def __init__(self, failure: str, message: str) -> None:
        super().__init__(failure, message)
        self.failure = failure
        self.message = message

    def __str__(self) -> str:
        return f"{self.failure}: {self.message}"


class PartitionError(DataEngineError):
    """A partition failed for a transient reason (a lost worker, a storage time-out)."""


class RunError(DataEngineError):
    """The run cannot continue."""


class BalanceError(RunError):
    """The ledger does not balance: an input was lost or counted twice."""
