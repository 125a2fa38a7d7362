"""Plain network requests that a node makes to its pods: an HTTP GET, a TCP connection, a gRPC health check.

They carry no span and no trace context, as upstream's do not.
"""
