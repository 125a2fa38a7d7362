"""The simulated network of pods: connections in memory, who listens where, and this machine's sockets in front of it.

`stream` is a connection, `ports` the books of who listens, `pod` what a container sees of it, `names` its DNS,
`answers` the servers that images bring along. All of these are pure. `sockets` lets this machine's processes in, and
`ranges` finds addresses for pods that this machine answers.
"""
