"""/exec, /attach and /portForward: doors into containers that the runtime opens and the kubelet leads to.

`options` reads what a request wants, `endpoint` finds its container and has the runtime prepare a URL, `backend` speaks
to that URL, `hijack` takes a connection away from HTTP, and `proxy` joins the two. `tunnel` does so for SPDY inside a
WebSocket, and `translate` for the newest of the WebSocket protocols, with `spdy_client` and `outcome`.
"""

from kubeletsim.server.streams.endpoint import Streams

__all__ = ["Streams"]
