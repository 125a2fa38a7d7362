"""The embedded trace back end: OTLP receiver, store, terminal tree."""
