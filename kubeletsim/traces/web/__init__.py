"""The web page of the trace viewer: a JSON API, Jaeger's query API and a page of plain ES modules, from one process.

`serving` listens, `guard` decides who may read, `reader` asks the store in threads of its own, `api` and `jaeger`
answer, `stream` tells of new traces as they arrive, `outline` lays a trace out for the page. What the browser gets
is in static/, written by hand and shipped as it is: no build, no third-party code, no request to another origin.
"""
