"""Protection against server-side request forgery: connections to public addresses only.

A table of URLs is untrusted input and must not make a worker call a machine of its own network. The address that was checked
is the one that is connected to, so a name that resolves to another address a moment later (DNS rebinding) gains nothing. No
proxy is used, because behind one the address cannot be checked.
"""

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
    """DNS resolution failed: unknown host, or no name server answered."""


class Network(httpcore.AsyncNetworkBackend):
    """httpcore backend that resolves names and refuses addresses that are not public, unless ``allow_private``. Raises InputError
    ``http_blocked``, UnresolvedError and what httpcore raises."""

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
        if not self._private and (blocked := [a for a in addresses if not is_public(a)]):
            raise InputError(
                "http_blocked",
                f"{host} resolves to {blocked[0]}, which is not a public address (http.allow_private permits it)",
            )
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
        infos = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UnresolvedError("http_dns", f"{host} cannot be resolved: {reason}") from None
    return list(dict.fromkeys(str(address[0]) for *_, address in infos))


def is_public(address: str) -> bool:
    """False for loopback, private, link-local, shared, reserved and multicast addresses, also if embedded in an IPv6 address
    (mapped, 6to4, Teredo, NAT64)."""
    ip: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        embedded = ip.ipv4_mapped or ip.sixtofour or (ip.teredo or (None, None))[1]
        if ip in _NAT64:
            embedded = IPv4Address(int(ip) & 0xFFFFFFFF)
        if embedded is not None:
            ip = embedded
    return ip.is_global and not ip.is_multicast
