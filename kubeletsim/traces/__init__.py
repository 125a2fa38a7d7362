"""The trace viewer: receives spans, keeps them, shows them. Knows OTLP and SQLite, nothing of kubelets.

`receiver` takes OTLP over gRPC and HTTP and hands it to `writer`, which has it committed before the sender gets its
answer. A `batch` is what arrived, as it arrived, and what `commit` indexes beside it in the `store`; `query` finds
traces by `filters`, which `query_language` reads from a line, and `contents` takes their spans out again. `otlp`
decodes into the values of `span`; `tree` makes them a forest, `analysis` answers questions about it, `render` draws it,
`export` writes it out.
"""
