"""Evaluation of a run on the demo corpus: recall of planted duplicates, false merges, failure classes of damaged files, and how
well ``match`` separates right captions from wrong ones.

Pure functions: labels and tables in, counts out.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.stats import rankdata

Name = tuple[str, str]
"""``(source, uri)`` of an input."""


@dataclass(frozen=True)
class Evaluation:
    """Counts of a run against the labels; ``auc`` is NaN if no right or no wrong caption has a score."""

    inputs: int
    rows: int
    exact_found: int
    exact_total: int
    near_found: int
    near_total: int
    missed: tuple[str, ...]
    false_merges: tuple[str, ...]
    bad_failed: int
    bad_right_class: int
    bad_total: int
    misjudged: tuple[str, ...]
    good_failed: tuple[str, ...]
    right_captions: int
    wrong_captions: int
    auc: float

    @property
    def passed(self) -> bool:
        """True if all inputs are in the ledger, all exact and at least 95 % of near-duplicates are found, nothing is merged
        falsely, and exactly the damaged files failed, each with its class. The AUC does not count."""
        complete = self.rows == self.inputs and self.exact_found == self.exact_total
        recalled = self.near_found >= 0.95 * self.near_total
        clean = not self.false_merges and not self.good_failed
        return complete and recalled and clean and self.bad_right_class == self.bad_total

    def table(self) -> list[tuple[str, str]]:
        """``(name, value)`` rows for display, each error below its count."""
        auc = "no scores" if math.isnan(self.auc) else f"{self.auc:.3f}"
        return [
            ("inputs in the ledger", f"{self.rows} of {self.inputs}"),
            ("exact duplicates found", f"{self.exact_found} of {self.exact_total}"),
            ("near-duplicates found", f"{self.near_found} of {self.near_total}"),
            *(("  not found", line) for line in self.missed),
            ("false merges", str(len(self.false_merges))),
            *(("  merged", line) for line in self.false_merges),
            ("damaged files failed", f"{self.bad_failed} of {self.bad_total}"),
            ("damaged files with the right class", f"{self.bad_right_class} of {self.bad_total}"),
            *(("  wrong class", line) for line in self.misjudged),
            ("intact files failed", str(len(self.good_failed))),
            *(("  failed", line) for line in self.good_failed),
            ("AUC of match", f"{auc} ({self.right_captions} right against {self.wrong_captions} wrong captions)"),
        ]


def evaluate(labels: Mapping[str, Any], ledger: pa.Table, scores: pa.Table) -> Evaluation:
    """Evaluate a run. ``ledger``: schema ``contracts.LEDGER``; ``scores``: columns ``id`` and ``match``, of all samples or only
    of representatives (a duplicate then has the score of its representative)."""
    run = _Run(ledger.to_pylist())
    linked = _Groups()
    for link in (*labels["exact"], *labels["near"]):
        linked.join(_name(link), _name(link, "of_"))
    lost_exact = [link for link in labels["exact"] if not run.is_exact(_name(link), _name(link, "of_"))]
    lost_near = [link for link in labels["near"] if not run.is_merged(_name(link), _name(link, "of_"))]
    bad = {_name(b): b for b in labels["bad"]}
    misjudged = [b for name, b in bad.items() if run.failure(name) not in b["failure"]]
    right, wrong = (_matches(run, labels[key], scores) for key in ("right_caption", "wrong_caption"))
    return Evaluation(
        inputs=labels["inputs"],
        rows=len(run.rows),
        exact_found=len(labels["exact"]) - len(lost_exact),
        exact_total=len(labels["exact"]),
        near_found=len(labels["near"]) - len(lost_near),
        near_total=len(labels["near"]),
        missed=tuple(f"{_shown(_name(x))} of {_shown(_name(x, 'of_'))}: {x['how']}" for x in lost_exact + lost_near),
        false_merges=tuple(run.false_merges(linked)),
        bad_failed=sum(run.failure(name) is not None for name in bad),
        bad_right_class=len(bad) - len(misjudged),
        bad_total=len(bad),
        misjudged=tuple(
            f"{_shown(_name(b))} ({b['how']}): {run.outcome(_name(b))}, not {' or '.join(b['failure'])}"
            for b in misjudged
        ),
        good_failed=tuple(f"{_shown(n)}: {run.failure(n)}" for n in run.rows if run.failure(n) and n not in bad),
        right_captions=len(right),
        wrong_captions=len(wrong),
        auc=auc(right, wrong),
    )


def auc(right: Iterable[float], wrong: Iterable[float]) -> float:
    """Area under the ROC curve: the probability that a right caption scores above a wrong one, ties counted half (Mann-Whitney U
    over the number of pairs). NaN if either is empty."""
    r, w = np.asarray(list(right), float), np.asarray(list(wrong), float)
    if not len(r) or not len(w):
        return math.nan
    ranks = rankdata(np.concatenate([r, w]))
    return float((ranks[: len(r)].sum() - len(r) * (len(r) + 1) / 2) / (len(r) * len(w)))


class _Run:
    """The ledger by input, and the final representative of each id."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows: dict[Name, dict[str, Any]] = {_name(r): r for r in rows}
        merged = (r for r in rows if r["outcome"] == "duplicate" and r["representative"] != r["id"])
        self._representatives: dict[str, str] = {r["id"]: r["representative"] for r in merged}

    def outcome(self, name: Name) -> str:
        """Outcome with its failure class, for display."""
        row = self.rows.get(name)
        return "not in the ledger" if row is None else " ".join(filter(None, (row["outcome"], row["failure"])))

    def failure(self, name: Name) -> str | None:
        """Failure class; None if the input did not fail or is not in the ledger."""
        row = self.rows.get(name)
        return str(row["failure"]) if row and row["outcome"] == "failed" else None

    def id_of(self, name: Name) -> str | None:
        """Sample id of an input."""
        return str(self.rows[name]["id"]) if name in self.rows and self.rows[name]["id"] else None

    def root(self, name: Name) -> str | None:
        """Id of the input's final representative: an exact duplicate of a near-duplicate has that one's."""
        at, seen = self.id_of(name), set[str]()
        while at in self._representatives and at not in seen:
            seen.add(at)
            at = self._representatives[at]
        return at

    def is_exact(self, a: Name, b: Name) -> bool:
        """Both are one sample, and at least one of the two occurrences is a duplicate."""
        return self.id_of(a) is not None and self.id_of(a) == self.id_of(b) and self._one_is_duplicate(a, b)

    def is_merged(self, a: Name, b: Name) -> bool:
        """Both have one representative, and at least one of them is a duplicate."""
        return self.root(a) is not None and self.root(a) == self.root(b) and self._one_is_duplicate(a, b)

    def _one_is_duplicate(self, a: Name, b: Name) -> bool:
        return "duplicate" in (self.rows[a]["outcome"], self.rows[b]["outcome"])

    def false_merges(self, linked: _Groups) -> list[str]:
        """Duplicates that share their representative with an input that they are not linked to, or with no other input."""
        groups: dict[str | None, list[Name]] = defaultdict(list)
        for name in self.rows:
            groups[self.root(name)].append(name)
        merges = []
        for name, row in self.rows.items():
            if row["outcome"] == "duplicate":
                others = [n for n in groups[self.root(name)] if n != name]
                unlinked = [n for n in self._heads(others) if not linked.same(name, n)]
                if unlinked or not others:
                    merges.append(f"{_shown(name)} into {_shown(unlinked[0]) if unlinked else row['representative']}")
        return merges

    def _heads(self, names: list[Name]) -> list[Name]:
        """The inputs that are not duplicates; all if each of them is."""
        return [n for n in names if self.rows[n]["outcome"] != "duplicate"] or names


class _Groups:
    """Disjoint sets of inputs that the labels link, transitively."""

    def __init__(self) -> None:
        self._parent: dict[Name, Name] = {}

    def find(self, name: Name) -> Name:
        while (parent := self._parent.get(name, name)) != name:
            name = parent
        return name

    def join(self, a: Name, b: Name) -> None:
        self._parent[self.find(a)] = self.find(b)

    def same(self, a: Name, b: Name) -> bool:
        return self.find(a) == self.find(b)


def _matches(run: _Run, inputs: Iterable[Mapping[str, str]], scores: pa.Table) -> list[float]:
    """Scores of the inputs that have one, one for each sample."""
    known = dict(zip(scores["id"].to_pylist(), scores["match"].to_pylist(), strict=True))
    values: dict[str, float] = {}
    for label in inputs:
        for at in (run.id_of(_name(label)), run.root(_name(label))):
            value = known.get(at)
            if at is not None and value is not None and math.isfinite(value):
                values[at] = value
                break
    return list(values.values())


def _name(row: Mapping[str, Any], prefix: str = "") -> Name:
    return row[f"{prefix}source"], row[f"{prefix}uri"]


def _shown(name: Name) -> str:
    return "/".join(name)
