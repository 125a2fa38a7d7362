"""The composition root: one node, built from its configuration, and the task group it lives in."""
