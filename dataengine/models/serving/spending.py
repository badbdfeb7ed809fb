"""Budgets of a model client: tokens and money that it may spend, and the share of requests that may fail."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from dataengine.config.model_server import ModelClientConfig
from dataengine.models.serving.completion import FINAL, Completion, FailedCompletion, Failure, Result

Tokens = tuple[int, int]
"""Of prompts, and of completions."""

_FEWEST = 50
"""Results before their failures are a share."""


@dataclass
class Spending:
    """Counts what was spent, and reserves what requests in flight may take. For one event loop. ``cached``: results of earlier
    runs, which were no failures of the server."""

    config: ModelClientConfig
    prompt: int = 0
    completion: int = 0
    results: int = 0
    cached: int = 0
    failures: Counter[Failure] = field(default_factory=Counter)
    _in_flight: int = 0
    _settled: asyncio.Event = field(default_factory=asyncio.Event)

    async def reserve(self, estimate: Tokens) -> FailedCompletion | None:
        """Count an estimate as spent, once what requests in flight did not take leaves room for it; where a budget does not hold
        it, why not."""
        while (refusal := self._refusal(estimate)) is not None:
            if not self._in_flight:
                return refusal
            self._settled.clear()
            await self._settled.wait()
        self.prompt += estimate[0]
        self.completion += estimate[1]
        self._in_flight += 1
        return None

    def _refusal(self, estimate: Tokens) -> FailedCompletion | None:
        prompt, completion = self.prompt + estimate[0], self.completion + estimate[1]
        tokens, money, prices = self.config.budget_tokens, self.config.budget, self.config.prices
        if tokens is not None and prompt + completion > tokens:
            spent = f"{self.prompt + self.completion:,} of {tokens:,} tokens are spent (budget_tokens)"
            return FailedCompletion(Failure.BUDGET, spent)
        if money is not None and prices is not None and _price(prompt, completion, prices) > money:
            spent = f"{_price(self.prompt, self.completion, prices):.2f} of {money:g} are spent (budget)"
            return FailedCompletion(Failure.BUDGET, spent)
        return None

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


def _price(prompt: int, completion: int, prices: tuple[float, float]) -> float:
    return (prompt * prices[0] + completion * prices[1]) / 1e6
