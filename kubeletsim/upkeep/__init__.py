"""What keeps the node clean and known: garbage collection and the runtime check."""
