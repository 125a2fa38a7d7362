"""The only way out of the process: the CRI client."""
