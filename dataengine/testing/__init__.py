"""Small corpora, fakes and contract checks for tests of what is built on dataengine.

``write_corpus`` and ``write_recipe`` make a run's inputs in a folder; ``InProcess`` is a record engine without Ray, so that
a whole run takes a second or two; ``chat_server`` is a teacher's OpenAI-compatible endpoint that answers as a function says,
with faults on request; ``check_scorer`` holds a scorer to its contract, ``check_plugin`` a plugin file; ``torture``
writes hostile inputs of every kind, with what must become of each::

    def test_my_policy_keeps_large_pictures(tmp_path):
        write_corpus(tmp_path / "in", images=6)
        recipe = dataengine.load(write_recipe(tmp_path, filter={"policy": "my_policy.yaml"}))
        dataengine.run(recipe, record_engine=InProcess())

    def test_my_scorer():
        check_scorer(MyScorer())
"""

from __future__ import annotations

from dataengine.testing.chat_server import Body, ChatServer, Turn, chat_server
from dataengine.testing.corpus import CAPTIONS, Pixels, picture, video, write_corpus, write_recipe
from dataengine.testing.hostile import torture
from dataengine.testing.hostile_corpus import Expected
from dataengine.testing.in_process import InProcess
from dataengine.testing.plugin_contract import check_plugin
from dataengine.testing.scorer_contract import check_scorer

__all__ = [
    "CAPTIONS",
    "Body",
    "ChatServer",
    "Expected",
    "InProcess",
    "Pixels",
    "Turn",
    "chat_server",
    "check_plugin",
    "check_scorer",
    "picture",
    "torture",
    "video",
    "write_corpus",
    "write_recipe",
]
