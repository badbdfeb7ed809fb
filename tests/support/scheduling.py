"""Which tests are slow, and which of them one process of a parallel run should have together."""

from __future__ import annotations

import os

import pytest
from _pytest.nodeid import coerce_node_id

#: Fixtures that start Ray, Spark, a browser or a model, run the pipeline, or build the demo corpus.
SLOW_FIXTURES = {"spark", "workspace", "base", "demo_corpus", "browser", "head", "conse", "nsfw"}
#: What makes the records that several files look at.
RECORDS = {"support.cot_corpus", "support.review_items"}
SLOW_FOLDERS = {"e2e", "jobs", "cluster"}
#: Files whose tests run stages or load models, or most of them.
SLOW_FILES = {
    *(
        "test_pipeline.py",
        "test_embed_stage.py",
        "test_clips.py",
        "test_contamination_stages.py",
        "test_contamination_embeddings.py",
    ),
    *("test_fingerprint_stage.py", "test_compliance.py", "test_faces_release.py", "test_cot_whole.py", "test_shots.py"),
    "test_tool_dialogue.py",
}


def uses_spark(item: pytest.Item) -> bool:
    """By name, or as a parameter that ``request.getfixturevalue`` is called with."""
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return "spark" in getattr(item, "fixturenames", ()) or any(isinstance(p, str) and p == "spark" for p in parameters)


def uses_records(item: pytest.Item) -> bool:
    """Of a file whose tests share the records of ``support.cot_corpus``, which take half a minute to make."""
    module = getattr(item, "module", None)
    makers = (getattr(module, name, None) for name in ("records", "items"))
    return any(getattr(maker, "__module__", "") in RECORDS for maker in makers)


def is_slow(item: pytest.Item) -> bool:
    if item.get_closest_marker("slow") is not None:
        return True
    fixtures = set(getattr(item, "fixturenames", ()))
    return (
        bool(fixtures & SLOW_FIXTURES)
        or uses_spark(item)
        or item.path.parent.name in SLOW_FOLDERS
        or item.path.name in SLOW_FILES
    )


def group_of(item: pytest.Item) -> str | None:
    """All of Spark together, for one JVM, and all that share CoT records; other files whole, for fixtures of their modules;
    end-to-end tests, which share nothing but what all processes do, one by one, unless their file says otherwise."""
    marker = item.get_closest_marker("xdist_group")
    if marker is not None:
        return str(marker.args[0])
    if uses_spark(item):
        return "spark"
    if uses_records(item):
        return "cot-records"
    return None if item.path.parent.name == "e2e" else item.nodeid.partition("::")[0]


def schedule(items: list[pytest.Item]) -> None:
    """Mark slow tests; in a parallel run, group all and put what is slow first, so that no process is left with it."""
    for item in items:
        if is_slow(item):
            item.add_marker(pytest.mark.slow)
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    for item in items:
        group = group_of(item)
        if group is not None:
            # What xdist 3.8 does for --dist loadgroup, which sets an attribute that pytest 9.2 no longer reads.
            item._id = coerce_node_id(f"{item.nodeid}@{group}")
    items.sort(key=lambda item: (item.get_closest_marker("slow") is None, not uses_spark(item)))
