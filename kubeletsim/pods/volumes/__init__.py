"""Volumes of pods on the node: `manager` says when, `set_up` makes one, `atomic_files` keeps a directory of files."""

from kubeletsim.pods.volumes.manager import VolumeManager

__all__ = ["VolumeManager"]
