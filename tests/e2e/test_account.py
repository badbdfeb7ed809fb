"""report.html, ``explain`` and ``cost`` of a whole run, as a user asks for them."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

from PIL import Image
from support.small_corpus import Setup, dataengine, ledger

from dataengine.storage.store import Store
from dataengine.timings import costs


def test_the_report_shows_kept_samples_and_their_duplicates_only(base: Setup) -> None:
    text = (base.release / "report.html").read_text()
    rows = ledger(base.release)
    kept = {r["id"] for r in rows if r["outcome"] == "kept"}
    alike = {r["id"] for r in rows if r["outcome"] == "duplicate" and r["representative"] in kept}
    figures = re.findall(r'<figure title="(\w+)"><img alt="" src="data:image/jpeg;base64,([^"]+)"', text)
    shown = {id_ for id_, _ in figures}
    assert shown <= kept | alike and len(shown & kept) >= 8 and shown & (alike - kept)
    for _, data in figures:
        with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
            assert max(picture.size) == 160 and not picture.getexif()
    assert len(text) < 1 << 20


def test_explain_tells_the_fate_by_release_and_by_recipe(base: Setup) -> None:
    rows = ledger(base.release)
    for outcome in ("kept", "duplicate", "filtered", "failed"):
        row = next(r for r in rows if r["outcome"] == outcome)
        done = dataengine("explain", str(base.release), row["input_id"])
        assert re.search(rf"outcome +{outcome}", done.stdout) and row["uri"] in done.stdout
        assert (row["rule"] or row["failure"] or row["representative"] or row["id"]) in done.stdout
    row = next(r for r in rows if r["outcome"] == "kept")
    done = dataengine("explain", str(base.recipe), row["input_id"])
    assert re.search(r"shard +train-\w+-\d+, sample \d+ of it", done.stdout) and re.search(r"blur +[\d.]+", done.stdout)
    wrong = dataengine("explain", str(base.release), "no-such-input", ok=False)
    assert wrong.returncode == 2 and "no input is called no-such-input" in wrong.stderr


def test_cost_adds_up_runs_and_changes_no_byte_of_the_release(base: Setup, copy: Setup) -> None:
    store = Store(copy.workspace)
    before = costs(store, "small")
    assert before["ingest"].runs == 1 and before["ingest"].seconds > 0 and before["ingest"].parts > 0
    (copy.release / "manifest.json").unlink()
    copy.run()
    after = costs(store, "small")
    assert (after["release"].runs, after["ingest"]) == (2, before["ingest"])
    assert (copy.release / "manifest.json").read_bytes() == (base.release / "manifest.json").read_bytes()
    done = dataengine("cost", str(copy.recipe))
    assert re.search(r"release +[\d.]+ +[\d.]+ +2 +2 +[\d,]+", done.stdout), done.stdout
    assert re.search(r"all +[\d.,]+", done.stdout)


def test_cost_of_what_has_not_run(base: Setup, tmp_path: Path) -> None:
    setup = Setup(tmp_path, base.corpus, str(tmp_path / "ws")).write()
    done = dataengine("cost", str(setup.recipe), ok=False)
    assert done.returncode == 2 and "nothing of" in done.stderr
