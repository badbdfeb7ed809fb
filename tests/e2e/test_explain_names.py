"""``dataengine explain`` answers for every input of a run, by each name that a person may have for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.small_corpus import INPUTS, Setup

from dataengine.browse import names
from dataengine.browse.explain import explain_input
from dataengine.browse.session import Session, opened
from dataengine.browse.whereabouts import origin
from dataengine.contracts import SAMPLES
from dataengine.cot.core.schemas import OUTCOMES

pytestmark = pytest.mark.slow


def ends(uri: str) -> Iterator[str]:
    """The uri, and its ends after ``/`` and ``#``."""
    yield uri
    for at, letter in enumerate(uri):
        if letter in "/#" and uri[at + 1 :]:
            yield uri[at + 1 :]


def all_names(session: Session, hashes: dict[str, str], row: dict[str, Any]) -> set[str]:
    """What an input of a finished run may be called: ends of its uri, its ids, hash, file, members and CoT records."""
    run = session.needed("release")
    source, uri, id_ = row["source"], row["uri"], row["id"]
    listed = {*ends(uri), f"{source}/{uri}", f"{source}:{uri}", row["input_id"], row["input_id"][:8]}
    listed.add(uri.partition("#t=")[0])
    file = origin(run.recipe, source, uri).partition(", ")[0]
    if " of " not in file:
        listed |= {file, f"file://{file}"}
    if id_:
        listed |= {id_, id_[:8], hashes.get(id_, id_), f"{id_}.jpg"}
    if row["outcome"] == "kept":
        inside = session.shards.members(id_)
        listed |= {f"{inside.tar}/{id_}.{ext}" for ext in inside.extents}
    return listed


def unanswered(session: Session) -> list[tuple[str, str]]:
    """Uris and names of inputs that the name does not lead to, and of those that are not explained."""
    run, ledger = session.needed("release", "cot.mix"), names.ledger_of(session)
    samples = run.table("ingest", "samples", SAMPLES, ["id", "sha256"]).to_pylist()
    hashes = {row["id"]: row["sha256"] for row in samples}
    records = run.table("cot.mix", "outcomes", OUTCOMES, ["rid", "sample", "outcome"]).to_pylist()
    rows = session.engine.rows(f"SELECT * FROM {ledger}").to_pylist()
    assert rows
    failed = []
    for row in rows:
        named = all_names(session, hashes, row)
        named |= set([r["rid"] for r in records if r["sample"] == row["id"] and r["outcome"] == "kept"][:2])
        for name in sorted(named):
            matched = names.matches(session, ledger, name, 200).rows
            whole = any(one["uri"] == name for one in matched)
            if not whole and row["input_id"] not in {one["input_id"] for one in matched}:
                failed.append((row["uri"], name))
        lines = dict(explain_input(session, ledger, row["input_id"]))
        if row["outcome"] not in lines.get("outcome", ""):
            failed.append((row["uri"], "no outcome"))
    return failed


def test_every_input_by_each_of_its_names(base: Setup) -> None:
    with opened(str(base.recipe), base.workspace) as session:
        count = session.engine.rows(f"SELECT count(*) AS n FROM {names.ledger_of(session)}").to_pylist()[0]["n"]
        assert count == INPUTS
        assert unanswered(session) == []
