"""Connections to public addresses only: a table of URLs is somebody else's text, and must not make a worker ask a machine of
its own network. The address that was checked is the one that is connected to, so a name that resolves to another one a
moment later (DNS rebinding) gains nothing. No proxy is used, because behind one nobody could check."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

import httpcore

from dataengine.errors import InputError

_NAT64 = IPv6Network("64:ff9b::/96")


class UnresolvedError(InputError):
    """The host's name was not found, or no name server answered."""


class Network(httpcore.AsyncNetworkBackend):
    """Looks names up, and connects where ``allow_private`` lets it. Raises InputError ``http_blocked``, UnresolvedError and what
    httpcore raises."""

    def __init__(self, allow_private: bool) -> None:
        self._private = allow_private
        self._below = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await _lookup(host, port)
        if not self._private and (inside := [a for a in addresses if not is_public(a)]):
            raise InputError("http_blocked", f"{host} is {inside[0]}, no public address (http.allow_private)")
        for address in addresses[:-1]:
            try:
                return await self._below.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._below.connect_tcp(addresses[-1], port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def _lookup(host: str, port: int) -> list[str]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise UnresolvedError("http_dns", f"{host} has no address: {said}") from None
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def is_public(address: str) -> bool:
    """False for loopback, private, link-local, shared, reserved and multicast addresses, also where one of them is wrapped in
    an IPv6 address."""
    given: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(given, IPv6Address):
        inner = given.ipv4_mapped or given.sixtofour or (given.teredo or (None, None))[1]
        if given in _NAT64:
            inner = IPv4Address(int(given) & 0xFFFFFFFF)
        if inner is not None:
            given = inner
    return given.is_global and not given.is_multicast
