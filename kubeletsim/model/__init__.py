"""What we talk about: pods, what a runtime reports, what we ask of it, errors. Pure values."""
