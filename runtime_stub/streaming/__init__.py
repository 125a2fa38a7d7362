"""Where the URLs of Exec, Attach and PortForward lead: an HTTP server on loopback that speaks SPDY/3.1 and WebSocket.

Pure: `spdy` is the framing with its `spdy_headers`, `outcome` the wording of how a command ended, `terminal` the line
discipline. The rest moves bytes: `connection` multiplexes SPDY
streams, `remote_spdy` and `remote_websocket` are the two ways a client takes part in a command, `commands` runs it,
`consoles` are the standard streams of containers, `forwarding` connects to pods, `server` brings it together.
"""
