"""What passes between the pipeline and people who review: items to look at, and decisions that came back."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Action(StrEnum):
    ACCEPT = "accept"
    EDIT = "edit"
    REJECT = "reject"


@dataclass(frozen=True)
class ReviewPath:
    """One path of reasoning, in the exact text form of its mode, with what the checks said of it."""

    index: int
    text: str
    grade: str
    reasons: tuple[str, ...] = ()
    confidence: float | None = None


@dataclass(frozen=True)
class ReviewItem:
    """A question that wants a person. ``media``: ids of the samples it is about, in order; ``images``: names of pictures."""

    qid: str
    mode: str
    task: str
    question: str
    answer: str | None
    media: tuple[str, ...]
    paths: tuple[ReviewPath, ...]
    chosen: int
    why: str
    """Why it is here: ``process`` (grade B) or ``redundant`` (a long A)."""
    images: tuple[str, ...] = ()


@dataclass(frozen=True)
class Decision:
    """What one reviewer said of one question. ``text`` replaces the chosen path's where the action is EDIT."""

    qid: str
    reviewer: str
    action: Action
    path: int | None = None
    text: str | None = None
    comment: str = ""
    item: str = field(default="")
    """Digest of the item as it was shown: a decision about an older version does not count."""
