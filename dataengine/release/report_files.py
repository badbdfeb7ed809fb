"""The pages of a release's report: report.html, and where the recipe asks for more thumbnails than that page holds, pages of
samples beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dataengine import contracts
from dataengine.release import codes_section
from dataengine.release.account import Account
from dataengine.release.examples import Row, choose, few
from dataengine.release.html_parts import Detail, document, escaped, figure, links
from dataengine.release.html_report import page
from dataengine.release.manifest import Manifest
from dataengine.release.sample_details import sample_details
from dataengine.release.thumbnails import thumbnails
from dataengine.stage import Run

REPORT = "report.html"
#: Kept samples on the report itself, and on each further page: some 0.7 MB.
FIRST, PER_PAGE = 24, 60


def report_files(run: Run, manifest: Manifest, accounted: Account) -> dict[str, bytes]:
    """By path in the release."""
    ledger = run.engine.scan(run.workspace, accounted.files, contracts.LEDGER)
    count = run.recipe.release.thumbnails
    examples = choose(few(run.engine, ledger, count), count)
    shown = [*examples.shown, *(codes_section.examples(manifest) if count else [])]
    pictures = thumbnails(run, shown)
    details = sample_details(run, [row["id"] for row in examples.kept])
    further = further_pages(manifest, examples.kept, pictures, details)
    more = [(path, f"{n * PER_PAGE + FIRST + 1:,} and on") for n, path in enumerate(further)]
    return {REPORT: page(manifest, examples.first(FIRST), pictures, details, more), **further}


def further_pages(
    m: Manifest, kept: Sequence[Row], pictures: Mapping[str, bytes], details: Mapping[str, Detail]
) -> dict[str, bytes]:
    """Pages of the kept samples that the report has no room for, by path."""
    groups = [kept[start : start + PER_PAGE] for start in range(FIRST, len(kept), PER_PAGE)]
    paths = [f"samples/{number:03}.html" for number in range(1, len(groups) + 1)]
    pages = {}
    for n, (path, rows) in enumerate(zip(paths, groups, strict=True)):
        first = FIRST + n * PER_PAGE + 1
        near = [(f"../{REPORT}", "report")]
        near += [(paths[n - 1].rpartition("/")[2], "before")] if n else []
        near += [(paths[n + 1].rpartition("/")[2], "after")] if n + 1 < len(paths) else []
        shown = "".join(figure(row, pictures, detail=details.get(row["id"])) for row in rows)
        title = f"Samples {first:,} to {first + len(rows) - 1:,} of {m.title}"
        body = f'<h1>{escaped(title)}</h1>\n{links("Pages", near)}\n<div class="grid samples">{shown}</div>'
        pages[path] = document(title, body)
    return pages
