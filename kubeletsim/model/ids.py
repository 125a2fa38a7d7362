"""This module is the identity of things: strings that mypy keeps apart."""

from typing import NewType

PodUID = NewType("PodUID", str)
SandboxID = NewType("SandboxID", str)
ContainerID = NewType("ContainerID", str)
ImageID = NewType("ImageID", str)

NO_IMAGE = ImageID("")
"""Where the runtime did not name the image."""
