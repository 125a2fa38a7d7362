"""The CRI services: what each RPC checks, does and answers.

`rpc` turns handlers into gRPC services and refusals into status codes; `scene` is what a handler tells a profile's plan
about a call, `performer` carries the plan out. `sandboxes`, `containers`, `execs`, `stats`, `images`, `status` are the
handlers; `stopping` is what several of them share.
"""
