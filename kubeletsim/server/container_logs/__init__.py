"""/containerLogs: what a container has written, from the file that its runtime keeps.

`options` reads the query, `choice` says which instance of a container is meant, `lines` knows the two formats of log
files, `reading` reads and follows one, `endpoint` brings it together.
"""

from kubeletsim.server.container_logs.endpoint import ContainerLogs

__all__ = ["ContainerLogs"]
