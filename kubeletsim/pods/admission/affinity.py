"""Wishes about the node: `nodeSelector` and required node affinity, against the node's labels and name.

Upstream: GetRequiredNodeAffinity in staging/src/k8s.io/component-helpers/scheduling/corev1/nodeaffinity.
"""

from collections.abc import Mapping, Sequence

from lightkube.models.core_v1 import NodeSelectorRequirement, NodeSelectorTerm, Pod

from kubeletsim.model.pod import spec
from kubeletsim.pods.admission.fit import NodeShape


def matches_node(pod: Pod, *, node: NodeShape) -> bool:
    """Tell whether the node is one of those the pod wants: all of its selector, and one of its affinity's terms."""
    if not (spec(pod).nodeSelector or {}).items() <= node.labels.items():
        return False
    affinity = spec(pod).affinity
    wanted = affinity.nodeAffinity if affinity is not None else None
    required = wanted.requiredDuringSchedulingIgnoredDuringExecution if wanted is not None else None
    return required is None or any(_term_matches(term, node) for term in required.nodeSelectorTerms)


def _term_matches(term: NodeSelectorTerm, node: NodeShape) -> bool:
    """Tell whether all requirements of a term hold; a term without any matches no node."""
    labels, fields = term.matchExpressions or [], term.matchFields or []
    if not labels and not fields:
        return False
    return _all_hold(labels, node.labels) and _all_hold(fields, {"metadata.name": node.name})


def _all_hold(requirements: Sequence[NodeSelectorRequirement], known: Mapping[str, str]) -> bool:
    return all(_holds(requirement, known) for requirement in requirements)


def _holds(requirement: NodeSelectorRequirement, known: Mapping[str, str]) -> bool:
    """Tell whether one requirement holds; one that makes no sense never does."""
    value, values = known.get(requirement.key), requirement.values or []
    match requirement.operator:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt":
            return _compares(requirement.operator, value, values)
    return False


def _compares(operator: str, value: str | None, values: Sequence[str]) -> bool:
    try:
        have, limit = int(value or ""), int(values[0] if len(values) == 1 else "")
    except ValueError:
        return False
    return have > limit if operator == "Gt" else have < limit
