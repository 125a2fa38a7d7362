"""The trace viewer: receives spans, keeps them, shows them. Knows OTLP and SQLite, nothing of kubelets.

`receiver` takes OTLP over gRPC and HTTP and hands it to `writer`, which commits it to `store` before the sender
gets its answer; `rows` says what is indexed and `filters` what can be asked. `otlp` decodes into the values of
`span`; `tree` makes them a forest, `render` draws it, `export` writes them out again.
"""
