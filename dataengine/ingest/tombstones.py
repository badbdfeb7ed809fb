"""The tombstones of a workspace: a list of known-bad files that ``dataengine takedown`` writes and every ingest reads.

The list belongs to no key: a take-down applies it to what is committed, so that a committed part is always what ingest would make
of its inputs now. ``tombstones/known_bad.txt`` has the form of a list of ``media.known_bad`` and can be named by any recipe.
"""

from __future__ import annotations

from collections.abc import Iterable

from dataengine.config.recipe import HashListConfig
from dataengine.errors import UsageError
from dataengine.ingest.hash_lists import ID_MARK, TAKEN_DOWN_HEAD, HashLists, parsed
from dataengine.storage.store import Store

FOLDER = "tombstones"
#: The list, and what a take-down that has not ended has begun with.
LIST, UNFINISHED = f"{FOLDER}/known_bad.txt", f"{FOLDER}/unfinished.json"
#: Bits within which perceptual hashes match: those of a list of ``media.known_bad`` that names no radius.
RADIUS = HashListConfig.model_fields["radius"].default


def lines(store: Store, key: str = LIST) -> list[str]:
    """Hashes on a list of tombstones; none where there is no such file. Raises UsageError for a file that is none of ours."""
    try:
        first, *hashes = store.get(key).decode("utf-8", "replace").splitlines() or [""]
    except FileNotFoundError:
        return []
    if first != TAKEN_DOWN_HEAD:
        raise UsageError(f"{store.uri(key)} is no list of tombstones: its first line is not `{TAKEN_DOWN_HEAD}`")
    return [line for line in hashes if line]


def add(store: Store, key: str, hashes: Iterable[str]) -> int:
    """Add hashes (64 digits, 16, or ``id:`` and 32) to the list; how many were not on it. A sample id goes where the SHA-256 that
    it begins is known."""
    known = set(lines(store, key))
    whole = known | set(hashes)
    heads = {f"{ID_MARK}{line[:32]}" for line in whole if len(line) == 64}
    whole -= heads
    if whole != known:
        store.put(key, "\n".join([TAKEN_DOWN_HEAD, *sorted(whole), ""]).encode())
    return len(whole - known)


def of_workspace(store: Store) -> HashLists:
    """What the workspace's tombstones refuse. Raises UsageError for a damaged list."""
    if not lines(store):
        return HashLists(())
    return HashLists([parsed(HashListConfig(path=store.uri(LIST)), store.get(LIST))])


def require_finished(store: Store) -> None:
    """Raises UsageError where a take-down was interrupted: what it removes could still be in the workspace."""
    if store.exists(UNFINISHED):
        raise UsageError(
            f"{store.url}: a take-down was interrupted, and what it removes may still be here; run the same `dataengine "
            f"takedown … --apply` again first (or give it up: delete {store.uri(UNFINISHED)})"
        )
