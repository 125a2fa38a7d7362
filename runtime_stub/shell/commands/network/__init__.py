"""The commands of the network: `nc`, `wget`, `httpd`, `ping`, `nslookup`, and what `interfaces` shows.

They write what busybox writes, over the simulated network: pods and the host's simulated ports, nothing beyond.
"""

from collections.abc import Callable, Mapping

from runtime_stub.shell.commands.network.agnhost import agnhost
from runtime_stub.shell.commands.network.httpd import httpd
from runtime_stub.shell.commands.network.interfaces import ifconfig, ip, netstat, route
from runtime_stub.shell.commands.network.nc import nc
from runtime_stub.shell.commands.network.nslookup import nslookup
from runtime_stub.shell.commands.network.ping import ping
from runtime_stub.shell.commands.network.wget import wget
from runtime_stub.shell.commands.text import guarded
from runtime_stub.shell.context import Call
from runtime_stub.shell.program import Steps

COMMANDS: Mapping[str, Callable[[Call], Steps]] = {
    name: guarded(command)
    for name, command in {
        "agnhost": agnhost,
        "httpd": httpd,
        "ifconfig": ifconfig,
        "ip": ip,
        "nc": nc,
        "netstat": netstat,
        "nslookup": nslookup,
        "ping": ping,
        "ping6": ping,
        "route": route,
        "wget": wget,
    }.items()
}
