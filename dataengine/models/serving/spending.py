"""Budgets of a model client: tokens and money that it and its like may spend, and the share of requests that may fail."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

from dataengine.config.model_server import ModelClientConfig
from dataengine.errors import RunError
from dataengine.models.serving.completion import FINAL, Completion, FailedCompletion, Failure, Result
from dataengine.models.serving.shared_budget import NOTHING, Amount, SharedBudget
from dataengine.models.serving.usage import Usage

Tokens = tuple[int, int]
"""Of prompts, and of completions."""

_FEWEST = 50
"""Results before their failures are a share."""
_LEAST = 1e-9
"""Of money: sums of floats must not fall short of what was asked for."""


@dataclass
class Spending:
    """Counts what was spent, and reserves what requests in flight may take. For one event loop. ``shared``: the budget of all
    clients, out of which this one takes as it goes; None: it has the whole to itself. ``cached``: results of earlier runs, which
    were no failures of the server."""

    config: ModelClientConfig
    shared: SharedBudget | None = None
    prompt: int = 0
    completion: int = 0
    results: int = 0
    cached: int = 0
    failures: Counter[Failure] = field(default_factory=Counter)
    _in_flight: int = 0
    _settled: asyncio.Event = field(default_factory=asyncio.Event)
    _granted: Amount = NOTHING
    _refused: Amount | None = None
    """What was asked of the shared budget in vain."""
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def reserve(self, estimate: Tokens) -> FailedCompletion | None:
        """Count an estimate as spent, once what requests in flight did not take leaves room for it; where a budget does not hold
        it, why not."""
        while (refusal := self._refusal(estimate)) is not None:
            if self.shared is not None and await self._take(self.shared, estimate):
                continue
            if not self._in_flight:
                return refusal
            self._settled.clear()
            await self._settled.wait()
        self.prompt += estimate[0]
        self.completion += estimate[1]
        self._in_flight += 1
        return None

    async def _take(self, shared: SharedBudget, estimate: Tokens) -> bool:
        """Take more of the shared budget, twice as much as so far where there is plenty. False where it does not hold what the
        estimate needs."""
        async with self._asking:
            lacking = self._with(estimate).plus(self._granted, -1)
            need = Amount(max(0.0, lacking.tokens), lacking.money + _LEAST if lacking.money > 0 else 0.0)
            if need == NOTHING:
                return True
            if self._refused and need.tokens >= self._refused.tokens and need.money >= self._refused.money:
                return False
            grant = await asyncio.to_thread(shared.take, need, self._granted)
            if grant is None:
                self._refused = need
                return False
            self._granted = self._granted.plus(grant)
            return True

    async def close(self) -> None:
        """Give back what was taken of the shared budget and not spent; where the store does not answer, it counts as spent."""
        if self.shared is None:
            return
        with suppress(RunError):
            await asyncio.to_thread(self.shared.give_back, self._granted.plus(self._with((0, 0)), -1))

    def _with(self, estimate: Tokens) -> Amount:
        """What is spent with an estimate, of the kinds that have a budget."""
        prompt, completion = self.prompt + estimate[0], self.completion + estimate[1]
        money = _price(prompt, completion, self.config.prices) if self.config.budget and self.config.prices else 0.0
        return Amount(prompt + completion if self.config.budget_tokens else 0.0, money)

    def _refusal(self, estimate: Tokens) -> FailedCompletion | None:
        limit = limit_of(self.config) if self.shared is None else self._granted
        spent, committed = self._with(estimate), self._with((0, 0)) if self.shared is None else self.shared.taken
        if self.config.budget_tokens and spent.tokens > limit.tokens:
            text = f"{committed.tokens:,.0f} of {self.config.budget_tokens:,} tokens are spent (budget_tokens)"
            return FailedCompletion(Failure.BUDGET, text)
        if self.config.budget and spent.money > limit.money:
            return FailedCompletion(
                Failure.BUDGET, f"{committed.money:.2f} of {self.config.budget:g} are spent (budget)"
            )
        return None

    def usage(self) -> Usage:
        """What this client has asked so far."""
        failures = Counter({failure.value: n for failure, n in self.failures.items()})
        return Usage(self.results, self.cached, self.prompt, self.completion, failures)

    def settle(self, estimate: Tokens, result: Result) -> int:
        """Replace an estimate by what a try took, where the server tells; returns how many tokens fewer that is."""
        used = (result.tokens_in, result.tokens_out)
        if not any(used) and (isinstance(result, Completion) or result.failure in FINAL):
            used = estimate
        self._in_flight -= 1
        self._settled.set()
        self.prompt += used[0] - estimate[0]
        self.completion += used[1] - estimate[1]
        return sum(estimate) - sum(used)

    def counted(self, result: Result) -> Result:
        """The result of a request after all its tries; the failure that ends the run once too many failed. A refusal, a loop or a
        completion that was cut off is the model's, not the server's, and is no failure here."""
        self.results += 1
        if not isinstance(result, FailedCompletion) or result.failure in FINAL:
            return result
        self.failures[result.failure] += 1
        failed, results = self.failures.total(), self.results + self.cached
        if results < _FEWEST or failed <= self.config.failed * results:
            return result
        classes = ", ".join(f"{count:,} {failure.value}" for failure, count in self.failures.most_common(3))
        return FailedCompletion(
            Failure.ERRORS,
            f"{failed:,} of {results:,} requests failed, `failed` allows {self.config.failed:.0%}: {classes}; "
            f"the last one: {result.message}",
        )


def limit_of(config: ModelClientConfig) -> Amount:
    """The budgets of a configuration; infinite where there is none."""
    return Amount(config.budget_tokens or math.inf, config.budget or math.inf)


def _price(prompt: int, completion: int, prices: tuple[float, float]) -> float:
    return (prompt * prices[0] + completion * prices[1]) / 1e6
