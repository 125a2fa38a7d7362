"""What a kubelet refuses in a Pod: formats of names and numbers, containers, sources of volumes, the pod as a whole."""

from kubeletsim.model.pod.validation.whole import validate, validate_static

__all__ = ["validate", "validate_static"]
