"""This module is the places of a call: the pieces of work its plan spends time on, by name."""

from collections.abc import Mapping

from runtime_stub.behaviour.plan import Plans, latencies


def pieces_by_rpc(plans: Plans) -> Mapping[str, frozenset[str]]:
    """Return the names of every RPC's pieces of work."""
    return {rpc: latencies({rpc: plan}) - {""} for rpc, plan in plans.items()}
