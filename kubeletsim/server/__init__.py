"""The kubelet's HTTP side: the authenticated HTTPS server, the read-only server, healthz."""
