"""Pods: sources, the decisions about them, the workers that carry them out."""
