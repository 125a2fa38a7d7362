"""This module is a runtime without an inner life: containerd's times, SERVER spans and nothing below,
errors that name the field.
"""

from runtime_stub.behaviour.plan import without_spans
from runtime_stub.behaviour.profiles.containerd import LATENCIES, PLANS
from runtime_stub.behaviour.profiles.plain_wordings import WORDINGS
from runtime_stub.behaviour.profiles.profile import Profile

PLAIN = Profile(
    name="plain",
    runtime_name="runtime-stub",
    runtime_version="0.1.0",
    plans={rpc: without_spans(plan) for rpc, plan in PLANS.items()},
    latencies=LATENCIES,
    wordings=WORDINGS,
)
