"""robots.txt rules (RFC 9309), evaluated by Protego: the group of our product or else of ``*``, the longest matching rule, allow
on a tie."""

from __future__ import annotations

from dataclasses import dataclass

from protego import Protego

#: Bytes of a robots.txt that are read (RFC 9309, 2.5: at least 500 KiB).
MAX_BYTES = 512 << 10


@dataclass(frozen=True)
class Robots:
    """The rules of one origin for ``product``, the lower-case first word of our user agent."""

    rules: Protego
    product: str

    def allows(self, url: str) -> bool:
        """Whether the absolute ``url`` may be requested."""
        return bool(self.rules.can_fetch(url, self.product))


def parse(text: str, product: str) -> Robots:
    """Rules in a robots.txt; none of its lines can be wrong, only without effect."""
    return Robots(Protego.parse(text.removeprefix("\ufeff")), product)


#: Of an origin without a robots.txt.
ALLOW_ALL = parse("", "")
