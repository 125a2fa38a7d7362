"""Admission: whether this node takes a pod that a source hands to it. Pure; `pods/admitter.py` carries it out.

`fit` compares what the pod asks for with what the node has left, `affinity` its wishes about the node with the node's
labels, `preemption` says who has to go for a critical pod, `pressure` who may come to a node
that is short of something, and `decide` puts the answers in upstream's order and words.
"""

from kubeletsim.pods.admission.decide import Admission, Rejection, check_apparmor, check_sysctls, decide
from kubeletsim.pods.admission.fit import NodeShape
from kubeletsim.pods.admission.preemption import CannotPreempt, choose_victims
from kubeletsim.pods.admission.pressure import check_pressure

__all__ = [
    "Admission",
    "CannotPreempt",
    "NodeShape",
    "Rejection",
    "check_apparmor",
    "check_pressure",
    "check_sysctls",
    "choose_victims",
    "decide",
]
