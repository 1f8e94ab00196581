"""Network interfaces and whether the default route goes through them (Documentation/ABI/testing/sysfs-class-net)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hpcapvf.host.protocols import Commands
from hpcapvf.model.address import Mac, PciAddress
from hpcapvf.model.errors import HpcapvfError
from hpcapvf.model.host import NetInterface
from hpcapvf.probe.reading import Reader

_NET = "/sys/class/net"
_ETHERNET = 1  # ARPHRD_ETHER
_IFF_UP = 0x1
_RTF_UP, _RTF_REJECT = 0x1, 0x200
_REJECTING = ("blackhole", "unreachable", "prohibit", "throw")
_IP_TIMEOUT_S = 10.0


def probe_interfaces(reader: Reader, commands: Commands | None = None) -> tuple[NetInterface, ...]:
    """All interfaces, by name. A bridge's, bond's or VLAN's default route is also that of the interfaces below it.

    commands: to ask for the default routes that /proc does not show; None in a recorded tree.
    """
    names = tuple(name for name in reader.names(_NET) or () if _is_interface(reader, name))
    masters = {name: _master(reader, name) for name in names}
    above = {name: _stacked_on(reader, name, masters[name]) for name in names}
    routed = probe_default_routes(reader)
    if routed is not None and commands is not None:
        routed |= _other_default_routes(reader, commands)
    return tuple(
        NetInterface(
            name=name,
            pci=_function(reader, name),
            mac=_mac(reader, name),
            up=_up(reader, name),
            default_route=None if routed is None else bool(_reach(name, above) & routed),
            master=masters[name],
        )
        for name in names
    )


def probe_default_routes(reader: Reader) -> frozenset[str] | None:
    """Interfaces with a default route of either IP version; None if the IPv4 table cannot be read."""
    ipv4 = reader.parsed("/proc/net/route", parse_ipv4_defaults)
    ipv6 = reader.parsed("/proc/net/ipv6_route", parse_ipv6_defaults)  # absent on a kernel without IPv6
    return None if ipv4 is None else ipv4 | (ipv6 or frozenset())


def _other_default_routes(reader: Reader, commands: Commands) -> frozenset[str]:
    """Also of other tables than the main one, and of all next hops: /proc/net/route has the first alone."""
    found: frozenset[str] = frozenset()
    for version in ("-4", "-6"):
        argv = ["ip", "-json", version, "route", "show", "table", "all", "exact", "default"]
        try:
            result = commands.run(argv, timeout_s=_IP_TIMEOUT_S)
        except HpcapvfError:
            return found  # no ip(8) here: the tables in /proc must do
        try:
            found |= parse_ip_routes(result.stdout)
        except ValueError as error:
            reader.note(" ".join(argv), f"not understood: {error}")
    return found


def parse_ip_routes(text: str) -> frozenset[str]:
    """Interfaces of the routes that ``ip -json route`` prints; rejecting ones have none. ValueError if not a list."""
    routes = json.loads(text or "[]")
    if not isinstance(routes, list) or not all(isinstance(route, dict) for route in routes):
        raise ValueError("no list of routes")
    return frozenset(device for route in routes if route.get("type") not in _REJECTING for device in _devices(route))


def _devices(route: dict[str, Any]) -> Iterator[str]:
    hops = route.get("nexthops", [])
    for hop in (route, *(hops if isinstance(hops, list) else [])):
        if isinstance(hop, dict) and isinstance(hop.get("dev"), str):
            yield hop["dev"]


def parse_ipv4_defaults(text: str) -> frozenset[str]:
    """Interfaces of the routes in /proc/net/route to 0.0.0.0/0. ValueError if it is no such table."""
    lines = text.splitlines()
    if not lines or not lines[0].startswith("Iface"):
        raise ValueError("no header")
    found: set[str] = set()
    for line in lines[1:]:
        words = line.split()
        if len(words) < 8:
            raise ValueError(line)
        destination, mask, flags = int(words[1], 16), int(words[7], 16), int(words[3], 16)
        if destination == 0 and mask == 0 and flags & _RTF_UP and not flags & _RTF_REJECT:
            found.add(words[0])
    return frozenset(found)


def parse_ipv6_defaults(text: str) -> frozenset[str]:
    """Interfaces of the lines of /proc/net/ipv6_route with prefix ::/0; the kernel's own reject routes do not count."""
    found: set[str] = set()
    for line in text.splitlines():
        words = line.split()
        if len(words) < 10:
            raise ValueError(line)
        everything = int(words[0], 16) == 0 and int(words[1], 16) == 0
        flags = int(words[8], 16)
        if everything and flags & _RTF_UP and not flags & _RTF_REJECT and words[9] != "lo":
            found.add(words[9])
    return frozenset(found)


def pci_function_in(path: str) -> PciAddress | None:
    """The last PCI address among a sysfs path's parts: the function that everything below it hangs on."""
    parts = [part for part in path.split("/") if PciAddress.looks_like(part)]
    return PciAddress.parse(parts[-1]) if parts else None


def _is_interface(reader: Reader, name: str) -> bool:
    """A folder, or a link even if a partial recording lacks what it leads to; ``bonding_masters`` is a file."""
    return reader.link(f"{_NET}/{name}") is not None or reader.names(f"{_NET}/{name}") is not None


def _function(reader: Reader, name: str) -> PciAddress | None:
    path = reader.real_path(f"{_NET}/{name}") or ""
    if "/virtual/" in path:
        return None
    # a recorded tree may hold a plain folder where sysfs has a link; then only the device link tells
    return pci_function_in(path) or pci_function_in(reader.real_path(f"{_NET}/{name}/device") or "")


def _mac(reader: Reader, name: str) -> Mac | None:
    kind = reader.number(f"{_NET}/{name}/type")
    return reader.parsed(f"{_NET}/{name}/address", Mac.parse) if kind in {None, _ETHERNET} else None


def _up(reader: Reader, name: str) -> bool | None:
    flags = reader.number(f"{_NET}/{name}/flags", base=16)
    if flags is not None:
        return bool(flags & _IFF_UP)
    return True if reader.text(f"{_NET}/{name}/operstate") == "up" else None  # "down" may only mean no carrier


def _master(reader: Reader, name: str) -> str | None:
    return reader.link(f"{_NET}/{name}/master") or reader.link(f"{_NET}/{name}/brport/bridge")


def _stacked_on(reader: Reader, name: str, master: str | None) -> frozenset[str]:
    entries = reader.names(f"{_NET}/{name}") or ()
    above = {entry.removeprefix("upper_") for entry in entries if entry.startswith("upper_")}
    return frozenset(above | ({master} if master else set()))


def _reach(name: str, above: dict[str, frozenset[str]]) -> frozenset[str]:
    """The interface and all that is stacked on it."""
    seen: set[str] = set()
    pending = [name]
    while pending:
        current = pending.pop()
        if current not in seen:
            seen.add(current)
            pending.extend(above.get(current, ()))
    return frozenset(seen)
