"""The KubeletConfiguration itself: four groups of fields in upstream's order.

A value of this class is one configuration. Decoded from a file it holds static defaults; `schema/defaults.py` adds
those that depend on other fields. Everything a kubelet prints about its configuration comes from `schema/encode.py`.
"""

from typing import Annotated

from pydantic import ConfigDict

from kubeletsim.config.schema.host import HostFields
from kubeletsim.config.schema.node import NodeFields
from kubeletsim.config.schema.serving import ServingFields
from kubeletsim.config.schema.types import OneOf, Pointer, Struct
from kubeletsim.config.schema.workloads import WorkloadFields

API_VERSION = "kubelet.config.k8s.io/v1beta1"
KIND = "KubeletConfiguration"
KUBERNETES_VERSION = (1, 36)
"""The release whose kubelet this configuration is for."""


class TypeMeta(Struct):
    """What kind of object a document is; mandatory in every file."""

    kind: Annotated[Pointer[str], OneOf((KIND,))] = KIND
    """Always KubeletConfiguration."""
    apiVersion: Annotated[Pointer[str], OneOf((API_VERSION,))] = API_VERSION
    """Always kubelet.config.k8s.io/v1beta1."""


# Pydantic collects the fields of the bases from the last to the first, which makes upstream's order here.
class KubeletConfiguration(HostFields, WorkloadFields, NodeFields, ServingFields, TypeMeta):
    """How a kubelet behaves: kubelet.config.k8s.io/v1beta1, Kubernetes 1.36."""

    model_config = ConfigDict(title=KIND)
