"""This module checks rules against the RPCs of CRI v1 and the pieces of work of a profile."""

from collections.abc import Sequence

from runtime_stub.behaviour.profiles import Profile
from runtime_stub.behaviour.rules.checks import Finding, Surroundings, findings
from runtime_stub.behaviour.rules.pieces import pieces_by_rpc
from runtime_stub.behaviour.rules.rule import Rule


def rule_findings(rules: Sequence[Rule], profile: Profile) -> list[Finding]:
    """Return what is wrong with rules that are written correctly; paths begin with a rule's index."""
    from kubeletsim.pb import cri_pb2  # only rules need the RPCs' names before anything is served

    methods = [one for service in cri_pb2.DESCRIPTOR.services_by_name.values() for one in service.methods]
    about = Surroundings(
        rpcs=[one.name for one in methods],
        streams=[one.name for one in methods if one.server_streaming],
        pieces=pieces_by_rpc(profile.plans),
        profile=profile.name,
    )
    return findings(rules, about) if rules else []
