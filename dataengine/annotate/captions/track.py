"""The track ``captions``: which caption stands for a sample, why, and what became of those that models wrote."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from dataengine.annotate.captions import choose, prompts, quality
from dataengine.annotate.captions.settings import captions_config, captions_servers
from dataengine.annotate.track import FAILURE, ModelLicence, Track
from dataengine.config.recipe import Recipe
from dataengine.models.serving.connect import chat_model
from dataengine.storage.workspace import digest

#: A caption of a sample as it is released, the chosen one first. Of a synthetic one ``source`` is ``annotate.captions`` and
#: ``uri`` the server's name; ``start`` and ``end`` are those of the span of a video that it is of. The other fields are null for
#: the source's.
CAPTION = pa.struct(
    [
        *((name, pa.string()) for name in ("text", "source", "uri", "style", "model", "prompt")),
        ("seed", pa.int64()),
        ("start", pa.float64()),
        ("end", pa.float64()),
    ]
)
#: Of synthetic captions.
SOURCE = "annotate.captions"
#: Sums over a sample's synthetic captions; the last five by fault.
COUNTS = {
    "captions_made": "made",
    "captions_failed": "failed",
    "captions_rejected": "rejected",
    "captions_refused": "refusal",
    "captions_repetitive": "repetition",
    "captions_boilerplate": "boilerplate",
    "captions_invented": "invented_text",
    "captions_other_script": "other_script",
}
_COLUMNS: tuple[pa.Field[Any], ...] = (
    pa.field("caption_synthetic", pa.bool_()),  # false too where there is no caption
    pa.field("caption_reason", pa.string()),
    pa.field("caption_style", pa.string()),
    pa.field("caption_model", pa.string()),
    pa.field("caption_match", pa.float64()),
    pa.field("caption_repetition", pa.float64()),
    pa.field("caption_boilerplate", pa.int32()),
    pa.field("caption_unread", pa.int32()),
    pa.field("caption_unsupported", pa.int32()),
    *(pa.field(name, pa.int32()) for name in COUNTS),
)
_DETAILS: tuple[pa.Field[Any], ...] = (pa.field("captions", pa.list_(CAPTION)),)
#: Of the track's table.
SCHEMA = pa.schema([pa.field("id", pa.string(), False), *_COLUMNS, *_DETAILS, *FAILURE])


def track(recipe: Recipe) -> Track:
    """Its models are the servers', by what these call them."""
    config, servers = captions_config(recipe), captions_servers(recipe)
    ids = [chat_model(server, None).id for server in servers.values()]
    code = (choose.VERSION, quality.VERSION, prompts.digests(config))
    version = digest(*code, config.model_dump(mode="json"), ids)[:8]
    models = tuple(ModelLicence(server.model, f"the model server {name}", "") for name, server in servers.items())
    return Track("captions", version, _COLUMNS, _DETAILS, models, False, "with synthetic captions", "chosen caption")
