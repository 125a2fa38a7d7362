"""This module is `nslookup`, busybox's: what the simulated DNS of the cluster says."""

import ipaddress

from runtime_stub.shell.commands.network.reaching import LOOKUP_SECONDS, candidates, resolver
from runtime_stub.shell.commands.options import UsageError, options
from runtime_stub.shell.commands.text import out
from runtime_stub.shell.context import Call
from runtime_stub.shell.program import Steps, news

DNS_PORT = 53


def nslookup(call: Call) -> Steps:
    """`nslookup [-type=A] HOST [SERVER]`: asks the first server of /etc/resolv.conf, whichever it is."""
    words = [one for one in call.arguments if not one.startswith(("-type=", "-query="))]
    _, names = options(words, "")
    if not names:
        raise UsageError("Usage: nslookup [-type=QUERY_TYPE] HOST [DNS_SERVER]")
    server, domains, dots = resolver(call)
    server = names[1] if len(names) > 1 else server
    shown = f"[{server}]:{DNS_PORT}" if ":" in server else f"{server}:{DNS_PORT}"
    yield out(f"Server:\t\t{server}\nAddress:\t{shown}\n\n")
    tried = candidates(names[0], domains, dots)
    for candidate in tried:
        yield news(call.context.bell, LOOKUP_SECONDS)
        found = call.context.network.lookup(candidate)
        for version in (4, 6):
            chosen = [one for one in found if ipaddress.ip_address(one).version == version]
            if chosen:
                yield out(f"Name:\t{candidate}\n" + "".join(f"Address: {one}\n" for one in chosen) + "\n")
        if found:
            return 0
    for candidate in tried:
        yield out(f"** server can't find {candidate}: NXDOMAIN\n\n" * 2)
    return 1
