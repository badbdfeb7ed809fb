"""A model behind an OpenAI-compatible server, as a recipe names it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from dataengine.config.sources import Model


class ModelServerConfig(Model):
    """Rates, budget and concurrency are those of one worker process. How a server is reached and how fast it is asked changes no
    completion, so these fields are no part of what a release is."""

    type: Literal["openai"]
    model: str
    pictures: bool = True
    """False for a model that takes text alone: it is asked without the pictures."""
    logprobs: bool = True
    """Ask for log-probabilities; a server that has none gives no confidence."""
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """More fields of the request, as the server takes them."""
    refusals: tuple[str, ...] = ("I can't", "I cannot", "I'm sorry", "I am sorry", "As an AI")
    """Openings by which a completion counts as refused."""
    endpoint: Annotated[str, Field(pattern=r"^https?://", exclude=True)]
    """Base URL, up to and with ``/v1``."""
    api_key_env: Annotated[str | None, Field(exclude=True)] = None
    """Name of the environment variable that holds the key; the key itself stands in no file."""
    concurrency: Annotated[int, Field(ge=1, le=1024, exclude=True)] = 16
    timeout: Annotated[float, Field(gt=0, exclude=True)] = 120.0
    retries: Annotated[int, Field(ge=0, le=20, exclude=True)] = 5
    requests_per_minute: Annotated[float | None, Field(gt=0, exclude=True)] = None
    tokens_per_minute: Annotated[float | None, Field(gt=0, exclude=True)] = None
    budget_tokens: Annotated[int | None, Field(ge=1, exclude=True)] = None
    """Tokens, in and out, that may be paid for in one run of a worker; finished completions of earlier runs cost nothing."""
