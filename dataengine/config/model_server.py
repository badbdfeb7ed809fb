"""Configuration of model servers: a model behind an OpenAI-compatible API."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from dataengine.config.sources import Model


class ModelServerConfig(Model):
    """A model behind an OpenAI-compatible server. Rates, budget and concurrency hold for one worker process. Address, key,
    rates and retries change no completion, so they may differ without anything being recomputed."""

    renamed: ClassVar[dict[str, str]] = {"pictures": "vision", "refusals": "refusal_prefixes"}
    type: Literal["openai"]
    model: str
    vision: bool = True
    """False for a text-only model: its requests hold no images."""
    logprobs: bool = True
    """Request log-probabilities; records of a server without them have no confidence."""
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """Further fields of the request body, passed on as they are."""
    refusal_prefixes: tuple[str, ...] = ("I can't", "I cannot", "I'm sorry", "I am sorry", "As an AI")
    """A completion that begins with one of these counts as a refusal."""
    endpoint: Annotated[str, Field(pattern=r"^https?://", exclude=True)]
    """Base URL, including ``/v1``."""
    api_key_env: Annotated[str | None, Field(exclude=True)] = None
    """Name of the environment variable that holds the key; the key itself is never written to a file."""
    concurrency: Annotated[int, Field(ge=1, le=1024, exclude=True)] = 16
    timeout: Annotated[float, Field(gt=0, exclude=True)] = 120.0
    retries: Annotated[int, Field(ge=0, le=20, exclude=True)] = 5
    requests_per_minute: Annotated[float | None, Field(gt=0, exclude=True)] = None
    tokens_per_minute: Annotated[float | None, Field(gt=0, exclude=True)] = None
    budget_tokens: Annotated[int | None, Field(ge=1, exclude=True)] = None
    """Tokens, prompt and completion, that one worker may spend in a run; completions kept from earlier runs cost nothing."""
