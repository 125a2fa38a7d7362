"""Benchmarks: every figure the README quotes comes from `make bench`, beside what it is compared with."""
