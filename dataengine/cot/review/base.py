"""Review items and decisions: what passes between the pipeline and its reviewers."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Action(StrEnum):
    ACCEPT = "accept"
    EDIT = "edit"
    REJECT = "reject"


@dataclass(frozen=True)
class ReviewPath:
    """One path of reasoning, in the exact text form of its mode, with its grade."""

    index: int
    text: str
    grade: str
    reasons: tuple[str, ...] = ()
    confidence: float | None = None


@dataclass(frozen=True)
class ReviewItem:
    """A question that needs a reviewer. ``media``: ids of the samples it is about, in order; ``images``: names of pictures."""

    qid: str
    mode: str
    task: str
    question: str
    answer: str | None
    media: tuple[str, ...]
    paths: tuple[ReviewPath, ...]
    chosen: int
    why: str
    """Why it needs one: ``process`` (grade B), ``unsettled`` (models do not agree on the answer), ``redundant`` (a long
    A) or ``unsure`` (a step of low confidence)."""
    images: tuple[str, ...] = ()


@dataclass(frozen=True)
class Decision:
    """One reviewer's decision about one item. ``text`` replaces the chosen path's where the action is EDIT."""

    qid: str
    reviewer: str
    action: Action
    path: int | None = None
    text: str | None = None
    comment: str = ""
    item: str = field(default="")
    """Digest of the item as it was shown: a decision about an older version does not count."""
