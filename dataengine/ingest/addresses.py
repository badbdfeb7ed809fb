"""Protection against server-side request forgery: connections to public addresses only.

A table of URLs is untrusted input and must not make a worker call a machine of its own network. The address that was checked
is the one that is connected to, so a name that resolves to another address a moment later (DNS rebinding) gains nothing. No
proxy is used, because behind one the address cannot be checked.
"""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from dataengine.errors import InputError

_NAT64 = IPv6Network("64:ff9b::/96")
_UNICAST = IPv6Network("2000::/3")
"""All other IPv6 addresses are local, reserved or embed an IPv4 address in an obsolete way (``::/96``, ``fec0::/10``)."""
_ISATAP = (0x00005EFE, 0x02005EFE)
#: Special ranges that ``is_global`` does not know in every version of Python: protocol assignments, 6to4 relays, documentation.
_SPECIAL_4 = (IPv4Network("192.0.0.0/24"), IPv4Network("192.88.99.0/24"))
_SPECIAL_6 = IPv6Network("3fff::/20")


class UnresolvedError(InputError):
    """DNS resolution failed: unknown host, or no name server answered."""


async def checked_addresses(host: str, allow_private: bool) -> list[str]:
    """The addresses of ``host``. Raises InputError ``http_blocked`` where one of them is not public, unless ``allow_private``;
    UnresolvedError."""
    addresses = await _lookup(host)
    if not allow_private and not all(map(is_public, addresses)):
        # The address is not named: failures are published, and it would describe the network of this machine.
        raise InputError("http_blocked", f"{host} has an address that is not public (http.allow_private permits it)")
    return addresses


async def _lookup(host: str) -> list[str]:
    try:
        infos = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise InputError("bad_url", "its host is not a valid name") from None
    except OSError as error:
        raise UnresolvedError("http_dns", f"{host} cannot be resolved: {error.strerror}") from None
    return list(dict.fromkeys(str(address[0]) for *_, address in infos))


def is_public(address: str) -> bool:
    """False for loopback, private, link-local, site-local, shared, reserved and multicast addresses, also if embedded in an IPv6
    address (mapped, 6to4, NAT64, ISATAP); Teredo and IPv4-compatible addresses are never public."""
    ip: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv4Address):
        return ip.is_global and not ip.is_multicast and not any(ip in network for network in _SPECIAL_4)
    if (embedded := _embedded(ip)) is not None:
        return is_public(str(embedded))
    return ip in _UNICAST and ip not in _SPECIAL_6 and ip.is_global


def _embedded(ip: IPv6Address) -> IPv4Address | None:
    if ip in _NAT64 or int(ip) >> 32 & 0xFFFFFFFF in _ISATAP:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour
