"""The schema of the store: one SQLite file, recognisable by its application id and version.

    surroundings      resource and scope of spans, as they arrived; shared by many spans
    operations        a service and a span name; shared by many spans
    spans             the bytes of each span as they arrived, and the columns that questions are about
    traces            one row a trace, kept up to date with every span: times, root, error
    trace_operations  which operations a trace has, for filters by service and span name

A span is a duplicate when ids, surroundings and content agree; two different spans with the same ids both stay.
"""

APPLICATION_ID = 0x6B_53_54_72  # "kSTr"
VERSION = 1

SCHEMA = f"""
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};

CREATE TABLE IF NOT EXISTS surroundings (
    id INTEGER PRIMARY KEY,
    resource BLOB NOT NULL,
    scope BLOB NOT NULL,
    UNIQUE (resource, scope)
);
CREATE TABLE IF NOT EXISTS operations (
    id INTEGER PRIMARY KEY,
    service TEXT NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (service, name)
);
CREATE TABLE IF NOT EXISTS spans (
    id INTEGER PRIMARY KEY,
    trace_id BLOB NOT NULL,
    span_id BLOB NOT NULL,
    checksum INTEGER NOT NULL,
    surroundings INTEGER NOT NULL REFERENCES surroundings,
    operation INTEGER NOT NULL REFERENCES operations,
    start_ns INTEGER NOT NULL,
    duration_ns INTEGER NOT NULL,
    error INTEGER NOT NULL,
    raw BLOB NOT NULL,
    UNIQUE (trace_id, span_id, checksum)
);
CREATE TABLE IF NOT EXISTS traces (
    trace_id BLOB PRIMARY KEY,
    start_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL,
    error INTEGER NOT NULL,
    root_operation INTEGER REFERENCES operations,
    root_start_ns INTEGER
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS traces_by_start ON traces (start_ns);
CREATE TABLE IF NOT EXISTS trace_operations (
    operation INTEGER NOT NULL REFERENCES operations,
    trace_id BLOB NOT NULL,
    PRIMARY KEY (operation, trace_id)
) WITHOUT ROWID;
"""
