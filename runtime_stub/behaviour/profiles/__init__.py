"""The runtimes that can be simulated, each a table: names, plans, latencies, wordings."""

from runtime_stub.behaviour.profiles.containerd import CONTAINERD
from runtime_stub.behaviour.profiles.crio import CRIO
from runtime_stub.behaviour.profiles.plain import PLAIN
from runtime_stub.behaviour.profiles.profile import Profile

__all__ = ["PROFILES", "Profile"]

PROFILES = {profile.name: profile for profile in (CONTAINERD, CRIO, PLAIN)}
"""Profiles by the name that `--profile` takes."""
