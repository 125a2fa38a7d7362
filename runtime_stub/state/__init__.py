"""What exists: sandboxes, containers, images, and which changes to them are allowed. Pure: no I/O, no clock, no gRPC.

`records` are the values, `transitions` the tables; `world` is where sandboxes and containers change, `images` where
images do; `names`, `identifiers`, `references`, `addresses` are their indexes. `views` shows records as CRI messages,
`filters` picks them, `refusals` says why a request cannot be met.
"""
