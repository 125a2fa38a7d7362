"""Hypothesis strategies shared by the tests; a new rule that needs a generator adds it here."""
