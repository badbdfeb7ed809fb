"""Says which models were asked behind servers, how much, and how often in vain. From the manifest alone."""

from __future__ import annotations

from dataengine.release.card_text import table
from dataengine.release.manifest import Manifest
from dataengine.shards.json_types import known

HEAD = ("server", "model", "asked for", "requests", "prompt tokens", "completion tokens", "failed")


def servers(m: Manifest) -> str:
    """Section of the card; "" where no model server is named."""
    lines = rows(m)
    if not lines:
        return ""
    text = (
        "Models behind servers were asked as below; each request is counted once, however often it was tried or taken from the "
        "cache. A failed one is a row with its reason, and its sample is still a sample."
    )
    return f"## Model servers\n\n{text}\n\n{table(HEAD, lines)}"


def rows(m: Manifest) -> list[tuple[str, ...]]:
    """A row a server and purpose."""
    lines: list[tuple[str, ...]] = []
    for server in known(m.model_servers, []):
        model = f"{server.model}{f' {server.version}' if server.version else ''} ({server.kind})"
        requests = known(server.asked, [])
        lines += [(server.name, model, "nothing", "0", "", "", "")] if not requests else []
        for one in requests:
            tokens = [
                f"{n:,}" if (n := known(count, None)) is not None else "" for count in (one.tokens_in, one.tokens_out)
            ]
            failed = ", ".join(f"{name} ({n:,})" for name, n in one.failures.items()) or "none"
            lines.append((server.name, model, one.purpose, f"{one.requests:,}", *tokens, failed))
    return lines
