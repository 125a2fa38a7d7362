"""The schema of the store: one SQLite file, recognisable by its application id and version.

    batches            one row for what was committed together: which traces and span ids are in it
    payloads           the requests of a batch as they arrived, one after the other, compressed with zlib
    traces             one row a trace, kept up to date with every batch: times, counts, root, its batches
    operations         a service and a span name
    operation_sets     the operations of a trace; traces that do the same share one
    attributes         a key and a value as text
    attribute_batches  in which batches a listed attribute occurs
    attribute_texts    the values that are not listed, by key and batch, in one piece: see `attribute_index`
    forwarded          the last batch that another back end has, by its address
    links              in which batches a span is linked to, by the trace and span id that links name

A span is a duplicate when ids, surroundings and content agree; two different spans with the same ids both stay. Lists
of numbers and ids are packed: trace ids of 16 bytes, span ids of 8, batches and operations as native 64-bit integers.
"""

APPLICATION_ID = 0x6B_53_54_72  # "kSTr"
VERSION = 3

SCHEMA = f"""
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};

CREATE TABLE IF NOT EXISTS batches (
    id INTEGER PRIMARY KEY,
    received_ns INTEGER NOT NULL,
    spans INTEGER NOT NULL,
    trace_ids BLOB NOT NULL,
    span_ids BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS payloads (
    batch INTEGER PRIMARY KEY REFERENCES batches,
    content BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS operations (
    id INTEGER PRIMARY KEY,
    service TEXT NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (service, name)
);
CREATE TABLE IF NOT EXISTS operation_sets (
    id INTEGER PRIMARY KEY,
    operations BLOB NOT NULL UNIQUE
);
CREATE TABLE IF NOT EXISTS traces (
    trace_id BLOB PRIMARY KEY,
    start_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL,
    spans INTEGER NOT NULL,
    errors INTEGER NOT NULL,
    root_operation INTEGER REFERENCES operations,
    root_start_ns INTEGER,
    operation_set INTEGER NOT NULL REFERENCES operation_sets,
    batches BLOB NOT NULL
) WITHOUT ROWID;
-- Holds all that filters ask about, so that a question nothing answers does not touch each trace's row.
CREATE INDEX IF NOT EXISTS traces_by_start_with_facts
    ON traces (start_ns, trace_id, end_ns, errors, root_operation, operation_set);
-- Most traces are fine, so a question for those that are not must not walk past them.
CREATE INDEX IF NOT EXISTS failed_traces_by_start
    ON traces (start_ns, trace_id, end_ns, errors, root_operation, operation_set) WHERE errors > 0;
CREATE TABLE IF NOT EXISTS attributes (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    UNIQUE (key, value)
);
CREATE TABLE IF NOT EXISTS attribute_batches (
    attribute INTEGER NOT NULL REFERENCES attributes,
    batch INTEGER NOT NULL REFERENCES batches,
    PRIMARY KEY (attribute, batch)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS attribute_texts (
    key TEXT NOT NULL,
    batch INTEGER NOT NULL REFERENCES batches,
    texts BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS attribute_texts_by_key ON attribute_texts (key);
CREATE TABLE IF NOT EXISTS forwarded (
    target TEXT PRIMARY KEY,
    batch INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS links (
    target BLOB NOT NULL,
    batch INTEGER NOT NULL REFERENCES batches,
    PRIMARY KEY (target, batch)
) WITHOUT ROWID;
"""
