"""The exceptions of dataengine; the class says who pays for the failure::

    DataEngineError
    ├── UsageError        the user's recipe, policy or command line; nothing was run (exit code 2)
    ├── InputError        one bad input: becomes a failure row, the run goes on
    ├── PartitionError    one partition failed for a passing reason; the engine tries it again
    └── RunError          the run cannot go on (exit code 1)
        └── BalanceError  the ledger does not add up (exit code 3)

All of them pickle, so they cross process and Ray borders unchanged.
"""

from __future__ import annotations


class DataEngineError(Exception):
    """Base of every error that dataengine raises on purpose."""


class UsageError(DataEngineError):
    """The recipe, a policy or the command line is wrong; the message says where and what would be right."""


class InputError(DataEngineError):
    """One input cannot be used. ``failure`` is a short stable class, ``message`` a sentence for a person."""

    def __init__(self, failure: str, message: str) -> None:
        super().__init__(failure, message)
        self.failure = failure
        self.message = message

    def __str__(self) -> str:
        return f"{self.failure}: {self.message}"


class PartitionError(DataEngineError):
    """A partition failed for a reason that may pass (a lost worker, a storage time-out)."""


class RunError(DataEngineError):
    """The run cannot go on."""


class BalanceError(RunError):
    """The ledger does not balance: an input was lost or counted twice."""
