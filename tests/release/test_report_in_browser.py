"""report.html in a real browser: nothing runs, nothing is wider than a phone, labels are as large as text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.chromium import chromium, errors
from support.ledger_rows import dup, ledger
from support.release_manifest import manifest

from dataengine.release.examples import choose
from dataengine.release.html_parts import Detail
from dataengine.release.html_report import page

HOSTILE = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
NAMES = ("blur", "nsfw", "a_column_with_a_name_that_is_as_long_as_names_of_columns_may_be_64")
_QUANTILES = {"count": 900, "min": 0.0, "p10": 0.1, "p50": 0.4, "p90": 0.9, "max": 1.0}
_SMALL = """
return [...document.querySelectorAll('.bar span, .ends span, .rule, .chart h3, .chart .facts, q, dd')]
  .filter(e => e.textContent && parseFloat(getComputedStyle(e).fontSize) < 12).map(e => e.textContent)
"""
_WIDE = """
return [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1
  && !e.closest('.wide')).map(e => e.outerHTML.slice(0, 200))
"""


def made() -> bytes:
    rule = {"reason": HOSTILE, "entering": 1000, "dropped": 2, "remaining": 998}
    funnel: list[dict[str, Any]] = [
        {"rule": f"rule-{n}", "keep": f"{name} >= 0.3", "when": "kind = 'image'", **rule}
        for n, name in enumerate(NAMES)
    ]
    drawn = {"edges": [n / 24 for n in range(25)], "log": False, "before": [7000, *range(23)], "after": [*range(24)]}
    m = manifest(
        title=HOSTILE,
        funnel=funnel,
        scores={name: {"before": _QUANTILES, "after": _QUANTILES} for name in NAMES},
        histograms=dict.fromkeys(NAMES, drawn),
    )
    rows = [{"id": f"{n:032x}", "outcome": "kept", "uri": f"{HOSTILE}{n}"} for n in range(8)]
    rows += [dup(f"{n:032x}", f"{0:032x}", 3.0) for n in range(9, 11)]
    rows += [{"id": "f" * 32, "outcome": "filtered", "rule": "rule-1", "value": HOSTILE}]
    details = {row["id"]: Detail((HOSTILE, "word" * 90), dict.fromkeys(NAMES, 0.25)) for row in rows[:8]}
    return page(m, choose(ledger(*rows), 12), {}, details)


@pytest.mark.slow
def test_on_a_phone_and_a_desk(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_bytes(made())
    with chromium() as browser:
        for width, phone in ((390, True), (1280, False)):
            size = {"width": width, "height": 844, "deviceScaleFactor": 2, "mobile": phone}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)  # type: ignore[attr-defined]
            browser.get(path.as_uri())
            assert browser.execute_script(_WIDE) == [], width  # type: ignore[no-untyped-call]
            assert browser.execute_script(_SMALL) == [], width  # type: ignore[no-untyped-call]
            assert browser.title == HOSTILE and errors(browser) == [], "nothing of it ran"
