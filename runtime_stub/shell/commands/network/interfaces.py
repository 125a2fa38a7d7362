"""This module is the commands that show a pod's network: `ip`, `ifconfig`, `route`, `netstat`."""

import ipaddress
from collections.abc import Sequence

from runtime_stub.shell.commands.options import UsageError, options
from runtime_stub.shell.commands.text import out
from runtime_stub.shell.context import Call, Interface
from runtime_stub.shell.program import Steps
from runtime_stub.shell.redirection import complaint

_LOOPBACK = "lo"


def ip(call: Call) -> Steps:
    """`ip [-4|-6] [-o] addr|link|route [show] [[dev] NAME]`."""
    flags = [one for one in call.arguments if one.startswith("-")]
    words = [one for one in call.arguments if not one.startswith("-")]
    versions = [4] if "-4" in flags else [6] if "-6" in flags else [4, 6]
    what, *rest = words or [""]
    rest = [one for one in rest if one not in ("show", "list", "dev")]
    if (what and "address".startswith(what)) or what in ("addr", "address"):
        return (yield from _show(call, rest, lambda number, one: _addresses(number, one, versions, "-o" in flags)))
    if what and "link".startswith(what):
        return (yield from _show(call, rest, _link))
    if what and "route".startswith(what):
        if gateway := call.context.network.gateway():
            network = _network(call)
            yield out(f"default via {gateway} dev eth0 \n")
            if network is not None:
                source = call.context.network.addresses[0]
                yield out(f"{network} dev eth0 scope link  src {source} \n")
        return 0
    raise UsageError("Usage: ip [OPTIONS] address|route|link [ARGS]")


def _show(call: Call, names: Sequence[str], text: "object") -> Steps:
    interfaces = call.context.network.interfaces()
    wanted = [one for one in enumerate(interfaces, 1) if not names or one[1].name == names[0]]
    if names and not wanted:
        yield from complaint(call.name, f"can't find device '{names[0]}'")
        return 1
    yield out("".join(text(number, one) for number, one in wanted))  # type: ignore[operator]
    return 0


def _link(number: int, one: Interface) -> str:
    if one.name == _LOOPBACK:
        return (
            f"{number}: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue qlen 1000\n"
            "    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00\n"
        )
    return (
        f"{number}: {one.name}@if{number + 5}: <BROADCAST,MULTICAST,UP,LOWER_UP,M-DOWN> mtu 1500 qdisc noqueue \n"
        f"    link/ether {_mac(one)} brd ff:ff:ff:ff:ff:ff\n"
    )


def _addresses(number: int, one: Interface, versions: Sequence[int], is_short: bool) -> str:
    link = _link(number, one)
    lines = "" if is_short else link if len(versions) > 1 else link.partition("\n")[0] + "\n"
    for address in one.addresses:
        parsed = ipaddress.ip_interface(address)
        if parsed.version not in versions:
            continue
        family = "inet" if parsed.version == 4 else "inet6"
        broadcast = f" brd {parsed.network.broadcast_address}" if parsed.version == 4 and one.name != _LOOPBACK else ""
        scope = f"host {one.name}" if one.name == _LOOPBACK else f"global {one.name}"
        text = f"{family} {address}{broadcast} scope {scope}"
        lifetime = "valid_lft forever preferred_lft forever"
        lines += (
            f"{number}: {one.name}    {text}\\       {lifetime}\n" if is_short else f"    {text}\n       {lifetime}\n"
        )
    return lines


def ifconfig(call: Call) -> Steps:
    """`ifconfig [-a] [NAME]`."""
    _, names = options(call.arguments, "a")
    found = [one for one in reversed(call.context.network.interfaces()) if not names or one.name == names[0]]
    if not found:
        yield from complaint(call.name, f"{names[0]}: error fetching interface information: Device not found")
        return 1
    yield out("".join(map(_configuration, found)))
    return 0


def _configuration(one: Interface) -> str:
    is_loopback = one.name == _LOOPBACK
    kind = "Local Loopback  " if is_loopback else f"Ethernet  HWaddr {_mac(one).upper()}  "
    lines = [f"{one.name:9} Link encap:{kind}"]
    for address in one.addresses:
        parsed = ipaddress.ip_interface(address)
        if parsed.version == 4:
            broadcast = "" if is_loopback else f"  Bcast:{parsed.network.broadcast_address}"
            lines.append(f"          inet addr:{parsed.ip}{broadcast}  Mask:{parsed.netmask}")
        else:
            lines.append(f"          inet6 addr: {address} Scope:{'Host' if is_loopback else 'Global'}")
    flags = "LOOPBACK RUNNING  MTU:65536" if is_loopback else "BROADCAST RUNNING MULTICAST  MTU:1500"
    lines.append(f"          UP {flags}  Metric:1")
    return "\n".join(lines) + "\n\n"


def route(call: Call) -> Steps:
    """`route [-n]`."""
    options(call.arguments, "ne")
    text = "Kernel IP routing table\nDestination     Gateway         Genmask         Flags Metric Ref    Use Iface\n"
    network = _network(call)
    if network is not None and network.version == 4:
        gateway = call.context.network.gateway()
        text += f"{'0.0.0.0':15} {gateway:15} {'0.0.0.0':15} UG    0      0        0 eth0\n"
        address = str(network.network_address)
        text += f"{address:15} {'0.0.0.0':15} {network.netmask!s:15} U     0      0        0 eth0\n"
    yield out(text)
    return 0


def netstat(call: Call) -> Steps:
    """`netstat -ln`: TCP sockets that listen."""
    options(call.arguments, "lntuapew")
    lines = ["Active Internet connections (only servers)\n"]
    lines.append("Proto Recv-Q Send-Q Local Address           Foreign Address         State       \n")
    for socket in call.context.network.listening():
        kind = "tcp6" if ":" in socket.address else "tcp"
        other = ":::*" if ":" in socket.address else "0.0.0.0:*"
        lines.append(f"{kind:5} {0:6d} {0:6d} {f'{socket.address}:{socket.port}':23} {other:23} LISTEN      \n")
    yield out("".join(lines))
    return 0


def _network(call: Call) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """Return the network that is behind the default route's interface."""
    outward = [
        address for one in call.context.network.interfaces() if one.name != _LOOPBACK for address in one.addresses
    ]
    return ipaddress.ip_interface(outward[0]).network if outward and call.context.network.gateway() else None


def _mac(one: Interface) -> str:
    """Return a hardware address as CNI's bridge makes it from the first IPv4 address."""
    if not one.addresses:
        return "0a:58:00:00:00:00"
    packed = ipaddress.ip_interface(one.addresses[0]).ip.packed[-4:]
    return "0a:58:" + ":".join(f"{byte:02x}" for byte in packed)
