"""From a recipe's model server to its client; the HTTP client is imported with the first one."""

from __future__ import annotations

from dataengine.config.model_server import ModelClientConfig
from dataengine.models.serving.completion import ChatModel
from dataengine.storage.store import Store


def chat_model(config: ModelClientConfig, store: Store | None) -> ChatModel:
    """A client; finished completions are cached in ``store``. Raises UsageError for a plugin's that is not there."""
    from dataengine.models.serving.cache import CompletionCache

    if (teacher := config.teacher) is not None:
        from dataengine.models.serving.plugin_teacher import PluginTeacher

        return PluginTeacher(teacher, CompletionCache(store))
    from dataengine.models.serving.openai import OpenAIClient

    return OpenAIClient(config, CompletionCache(store))
