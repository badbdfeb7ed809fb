"""Removes credentials from URIs: userinfo, tokens and signatures, with what only belongs to a signature.

A URI without them names the same file after a new signature, so it is what input ids are made of.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote, unquote

#: Names of parameters whose values are credentials, in lower case and without ``-``, ``_``, ``.`` and brackets.
_SECRET = re.compile(
    r"(aws|google)?access(key|keyid|token|id)|x?api(key|secret|token)|auth(key|orization|token)?|bearer|(client)?secret(key)?|"
    r"credentials?|hdn(ea|tl|ts)|hmac|jwt|key|keypairid|(id|oauth|refresh|security|session)token|oauthsignature|pass(word|wd)?|pwd|"
    r"(j|php)?sess(ion)?id|sas|session|sid|sig|sign|signature|subscriptionkey|ticket|token|x(amz|goog|oss|cos|obs).*"
)
_SIGNATURE = re.compile(r"sig|sign|signature|hmac|token|x(amz|goog|oss|cos|obs).*")
#: What belongs to a signature, and means something else without one.
_BESIDE_SIGNATURE = re.compile(r"algorithm|date|expires|expiry|exp?|policy|s[epvrt]|sip|spr|sk(oid|tid|[tesv])")
_URI = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*://")
_PARTS = re.compile(r"[?@;#]")
_SPLIT = re.compile(r"([&;])")
_SESSION = re.compile(r";(?:jsessionid|phpsessid|sid)=[^/?#;]*", re.IGNORECASE)
#: How a path begins that is absolute, here or on Windows, or leaves its folder, and an address of no web server.
_PLACE = re.compile(r"(?i)[/\\]|(?:[^#/]*/)*\.\./|[a-z]:\\|(?!https?://)[a-z][a-z0-9+.-]*:/")
_WEB = re.compile(r"(?i)\s*https?://")
_COUNTED = re.compile(r"(?:#(?:t=[\d.,]+|\d+)){0,2}\Z")
"""At the end of a uri: the span of a clip, and which of equal ones it is."""
_USERINFO = re.compile(r"(?<=://)[^/\s]*@")
"""Of a URI in the path of another."""
_MARKS = re.compile(r"[-_.\[\]$]|amp;")
#: Values that are keys whatever their parameter is called: JSON web tokens, and keys of well-known services.
_KEY = re.compile(
    r"eyJ[\w-]{6,}\.[\w-]+|(?<![A-Za-z0-9])(?:A[KS]IA[0-9A-Z]{12,}|sk-[\w-]{16,}|gh[pousr]_\w{16,}|xox[a-z]-[\w-]{8,}|AIza[\w-]{30,})"
)
_NESTED = 3
_PASSES = 4


def without_secrets(uri: str) -> str:
    """``uri`` without userinfo and without parameters of its query or fragment that are credentials, those of URIs in the values
    of other parameters included. Text that does not begin as a URI is returned as it is; nothing is decoded or reordered. Where
    removing credentials brings up others, time and again, only the scheme is left."""
    for _ in range(_PASSES):
        if not _URI.match(uri) or not _PARTS.search(uri):
            return uri
        cleaned = _cleaned(uri, _NESTED)
        if cleaned == uri:
            return uri
        uri = cleaned
    return uri.partition("//")[0] + "//"


def without_places(uri: str) -> str:
    """A uri of an input without the folders and buckets of whoever made the release: alone or after the name of a table or tar,
    an absolute path, one that leaves the table's folder, and an address such as ``file://`` or ``s3://`` are their last name
    alone. Addresses on the web, which others can read, stay."""
    starts = [0, *(mark.end() for mark in re.finditer("#", uri))]
    for start in starts:
        if _WEB.match(uri, start):
            return uri
        if _PLACE.match(uri, start):
            return uri[:start] + _last_name(uri[start:])
    return uri


def _last_name(place: str) -> str:
    """The last name of a path or address, of a file:// URL as its file is called, with what is counted after it."""
    end = _COUNTED.search(place)
    path, counted = (place[: end.start()], end[0]) if end else (place, "")
    if path[:5].lower() == "file:":
        path = unquote(re.split("[?#]", path, maxsplit=1)[0])
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1] + counted


def without_secrets_inside(value: Any) -> Any:
    """``value``, of dicts and lists, with all strings that are URIs cleaned."""
    if isinstance(value, str):
        return without_secrets(value)
    if isinstance(value, dict):
        return {key: without_secrets_inside(inner) for key, inner in value.items()}
    return [without_secrets_inside(inner) for inner in value] if isinstance(value, list) else value


def _cleaned(uri: str, depth: int) -> str:
    if not depth:
        return ""
    start, slashes, rest = uri.partition("//")
    rest, mark, fragment = rest.partition("#")
    rest, question, query = rest.partition("?")
    address, path = _address(rest)
    query, fragment = _parameters(query, depth), _parameters(fragment, depth)
    return "".join(
        [
            start,
            slashes,
            _USERINFO.sub("", address + _SESSION.sub("", path)),
            question if query else "",
            query,
            mark if fragment else "",
            fragment,
        ]
    )


def _address(rest: str) -> tuple[str, str]:
    """Host and path without userinfo, also where a slash in the password ends the address too early."""
    address, slash, path = rest.partition("/")
    host, colon, port = address.partition(":")
    if "@" not in address and colon and not port.isdigit() and not host.startswith("[") and "@" in path:
        address, slash, path = path.rpartition("@")[2].partition("/")
    return address.rpartition("@")[2], slash + path


def _parameters(text: str, depth: int) -> str:
    """Parameters joined by ``&`` or ``;``, without those that are credentials."""
    pieces = _SPLIT.split(text)
    names = [_name(piece) for piece in pieces[::2]]
    signed = any(_SIGNATURE.fullmatch(name) for name in names)
    kept: list[str] = []
    for number, (name, piece) in enumerate(zip(names, pieces[::2], strict=True)):
        beside = signed and _BESIDE_SIGNATURE.fullmatch(name)
        if beside or _SECRET.fullmatch(name) or _KEY.search(piece):
            continue
        separator = pieces[2 * number - 1] if number and kept else ""
        kept += [separator, _value(piece, depth)]
    return "".join(kept)


def _name(piece: str) -> str:
    name, equals, _ = piece.partition("=")
    return _MARKS.sub("", unquote(name).strip().lower()) if equals else ""


def _value(piece: str, depth: int) -> str:
    """A parameter whose value may be a URI itself, percent-encoded or not."""
    name, equals, value = piece.partition("=")
    plain = value
    for encodings in range(_NESTED):
        if _URI.match(plain):
            cleaned = _cleaned(plain, depth - 1)
            return piece if cleaned == plain else f"{name}{equals}{_encoded(cleaned, encodings)}"
        plain = unquote(plain)
    return piece


def _encoded(text: str, times: int) -> str:
    for _ in range(times):
        text = quote(text, safe="")
    return text
