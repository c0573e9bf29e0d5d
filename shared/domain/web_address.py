"""Which internet addresses a message may be sent to: none inside our own network. Against forged server requests."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

_NAT64: Final = IPv6Network("64:ff9b::/96")  # stands for the IPv4 address in its last 32 bits


def is_public(address: str) -> bool:
    """Whether the address is of the public internet; also of one that is written inside another."""
    ip = _read(address)
    return ip is not None and all(a.is_global and not a.is_multicast and not a.is_reserved for a in _meant(ip))


def is_loopback(address: str) -> bool:
    """Whether the address is of this very machine."""
    ip = _read(address)
    return ip is not None and all(a.is_loopback for a in _meant(ip))


def is_address(host: str) -> bool:
    """Whether a host is given by its address and not by a name."""
    return _read(host) is not None


def _read(address: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(address.partition("%")[0])
    except ValueError:
        return None


def _meant(ip: IPv4Address | IPv6Address) -> tuple[IPv4Address | IPv6Address, ...]:
    """Where a packet to it may arrive: itself, or the IPv4 addresses that it carries."""
    if isinstance(ip, IPv4Address):
        return (ip,)
    if ip.ipv4_mapped is not None:
        return (ip.ipv4_mapped,)
    if ip in _NAT64:
        return (IPv4Address(int(ip) & 0xFFFF_FFFF),)
    if ip.teredo is not None:
        return (ip, *ip.teredo)
    return (ip, ip.sixtofour) if ip.sixtofour is not None else (ip,)
