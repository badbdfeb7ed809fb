"""``clips.inspect`` for a decode child that looks for shots with the network: torch reserves gigabytes of addresses as it is
imported, so that it must be there before the child's memory is bounded."""

from __future__ import annotations

import dataengine.media.transnet  # noqa: F401
from dataengine.ingest.clips import inspect

__all__ = ["inspect"]
