"""The pod lifecycle event generator: what changed in the runtime."""
