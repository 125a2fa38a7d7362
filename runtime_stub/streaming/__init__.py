"""Where the URLs of Exec, Attach and PortForward lead: an HTTP server on loopback that speaks SPDY/3.1 and WebSocket.

Pure: `outcome` is the wording of how a command ended, `terminal` the line discipline; the framing is
`kubeletsim.base.spdy`. The rest moves bytes: `connection` multiplexes SPDY
streams, `remote_spdy` and `remote_websocket` are the two ways a client takes part in a command, `commands` runs it,
`consoles` are the standard streams of containers, `forwarding` connects to pods, `server` brings it together.
"""
