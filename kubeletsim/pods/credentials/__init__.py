"""Registry credentials of the node: where they come from, and which of them fit an image.

`docker_config` reads the files that docker and its like write, `plugins` asks credential providers, `keyring` matches.
Whatever is in here stays in here and in requests to the runtime: it goes into no log line, no event, no span.
"""

from kubeletsim.pods.credentials.docker_config import DockerConfigFiles
from kubeletsim.pods.credentials.keyring import Keyring, Login, location_matches
from kubeletsim.pods.credentials.node import NodeCredentials
from kubeletsim.pods.credentials.plugins import CredentialProvider

__all__ = ["CredentialProvider", "DockerConfigFiles", "Keyring", "Login", "NodeCredentials", "location_matches"]
