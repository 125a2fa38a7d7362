"""runtime-stub: a CRI v1 container runtime that simulates its containers and traces itself."""
