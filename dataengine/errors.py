"""Exceptions of dataengine; the class decides how far a failure reaches::

    DataEngineError
    ├── UsageError        the recipe, policy or command line is wrong; nothing ran (exit code 2)
    ├── InputError        one bad input: becomes a failure row, the run continues
    ├── PartitionError    one partition failed for a transient reason; the engine retries it
    └── RunError          the run cannot continue (exit code 1)
        ├── BalanceError  the ledger does not add up (exit code 3)
        ├── StoppedError  too much failed, or nothing would be kept: a person must look (exit code 4)
        ├── HeldError     another run holds the workspace (exit code 5)
        └── CancelledError  the run was cancelled from Python (exit code 130)

All of them pickle, so that they cross processes and Ray unchanged.
"""

from __future__ import annotations

from typing import ClassVar


class DataEngineError(Exception):
    """Base class of all errors that dataengine raises on purpose."""

    exit_code: ClassVar[int] = 1
    """What a command that ends with the error exits with."""


class UsageError(DataEngineError):
    """The recipe, a policy or the command line is wrong; the message says where, and what would be right."""

    exit_code = 2


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

    exit_code = 3


class StoppedError(RunError):
    """The run stopped before it replaced something good by less: more inputs failed than the recipe allows, or nothing would be
    kept. All work is committed; a person must look, and a scheduler must not retry."""

    exit_code = 4


class HeldError(RunError):
    """Another run holds the workspace, or has taken it over; the message says which."""

    exit_code = 5


class CancelledError(RunError):
    """The run was ended by ``Run.cancel``; what is committed stays."""

    exit_code = 130
