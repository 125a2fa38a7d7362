"""The kubelet's HTTP side: the authenticated HTTPS server, the read-only server, healthz.

`app` opens them; a request goes through `pipeline`: `request_metrics`, `routes`, `auth`, `spans`, and one of the
`endpoints`. `tls` and `certificates` are what the connection is made of, `healthz` the checks, `listener` the socket.
"""
