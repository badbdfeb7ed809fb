"""What a recipe says of a teacher behind an OpenAI-compatible endpoint (vLLM, SGLang, llama.cpp, a vendor)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from dataengine.sources import Model

Seconds = Annotated[float, Field(gt=0)]


class OpenAIConfig(Model):
    """Rates, budget and concurrency are those of one worker process."""

    type: Literal["openai"]
    endpoint: Annotated[str, Field(pattern=r"^https?://")]
    """Base URL, up to and with ``/v1``."""
    model: str
    api_key_env: str | None = None
    """Name of the environment variable that holds the key; the key itself stands in no file."""
    pictures: bool = True
    """False for a model that takes text alone: it is asked without the pictures."""
    concurrency: Annotated[int, Field(ge=1, le=1024)] = 16
    timeout: Seconds = 120.0
    retries: Annotated[int, Field(ge=0, le=20)] = 5
    requests_per_minute: Annotated[float, Field(gt=0)] | None = None
    tokens_per_minute: Annotated[float, Field(gt=0)] | None = None
    budget_tokens: Annotated[int, Field(ge=1)] | None = None
    """Tokens, in and out, that may be paid for in one run of a worker; finished answers of earlier runs cost nothing."""
    logprobs: bool = True
    """Ask for log-probabilities; a server that has none gives no confidence."""
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """More fields of the request, as the server takes them."""
    refusals: tuple[str, ...] = ("I can't", "I cannot", "I'm sorry", "I am sorry", "As an AI")
    """Openings by which a reply is told as refused."""
