"""Removes credentials from messages of servers and from addresses before they are stored, printed or published."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping

from dataengine.text.display import visible

REDACTED = "[redacted]"
_VARIABLE = re.compile(r"KEY|SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIAL", re.IGNORECASE)
#: Shortest value of an environment variable that is taken for a secret.
_SHORTEST = 6
_USERINFO = re.compile(r"(?<=://)[^/\s]*@")
_NAMES = (
    r"(?:proxy-)?authorization|(?:x-)?api[-_ ]?key|(?:x-)?auth[-_]token|(?:access|refresh|id|session|security)[-_]?token|token|"
    r"(?:client[-_]|aws[-_])?secret(?:[-_]?access)?(?:[-_]?key)?|passwo?r?d|passwd|pwd|(?:set-)?cookie|sig|signature|"
    r"x-(?:amz|goog)-(?:signature|credential|security-token)|awsaccesskeyid|googleaccessid|key"
)
_NAMED = re.compile(
    rf"""(?:(?<![A-Za-z0-9_-])|(?<=%[0-9A-Fa-f]{{2}}))({_NAMES})(["']?\s{{0,4}}(?:[:=]|%3[aAdD])\s{{0,4}}["']?)(?:(?:bearer|basic|digest|token)\s{{1,4}})?"""
    r"""[^\s"'&,;<>]+""",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"(?<![A-Za-z0-9_-])(bearer|basic)(\s{1,4})[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE)
_KEY = re.compile(
    r"(?<![A-Za-z0-9])(?:sk-[\w*-]{6,}|A[KS]IA[0-9A-Z]{12,}|hf_\w{10,}|gh[pousr]_\w{10,}|xox[a-z]-[\w-]{6,}|AIza[\w-]{20,}"
    r"|eyJ[\w-]{6,}(?:\.[\w-]+){1,2})"
)


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """``text`` on one line without ``secrets``, userinfo of URLs, values of Authorization headers and of parameters that have
    the names of keys, tokens or signatures, and words in the form of well-known services' keys."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, REDACTED)
    text = _USERINFO.sub(f"{REDACTED}@", text)
    text = _NAMED.sub(rf"\1\2{REDACTED}", text)
    text = _SCHEME.sub(rf"\1\2{REDACTED}", text)
    return visible(_KEY.sub(REDACTED, text))


def redacted_lines(text: str, secrets: Iterable[str] = ()) -> str:
    """As ``redacted``, with the lines of ``text`` left as they are."""
    return "\n".join(redacted(line, secrets) for line in text.split("\n"))


def environment_secrets(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Values of environment variables with the names of credentials, the longest first."""
    values = {v for name, v in environment.items() if _VARIABLE.search(name) and len(v) >= _SHORTEST}
    return sorted(values, key=len, reverse=True)
