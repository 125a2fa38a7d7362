"""The node's credentials: those of Docker's files first, then those of the credential providers, in their order."""

from collections.abc import Sequence

from kubeletsim.model.requests import AuthConfig
from kubeletsim.pods.credentials.docker_config import DockerConfigFiles
from kubeletsim.pods.credentials.keyring import Keyring
from kubeletsim.pods.credentials.plugins import CredentialProvider


class NodeCredentials:
    """Everything this node can pull with.

    Args:
        files: Docker's.
        providers: programs to ask.
    """

    def __init__(self, files: DockerConfigFiles, *, providers: Sequence[CredentialProvider] = ()) -> None:
        self._files = files
        self._providers = tuple(providers)

    async def find(self, repository: str) -> list[AuthConfig]:
        """Return the credentials to pull an image with, given its full name without tag, in the order to try them."""
        found = Keyring(self._files.logins()).lookup(repository)
        # Of two providers that know the same place, the earlier one's is tried first.
        found += Keyring(*[await provider.logins(repository) for provider in self._providers]).lookup(repository)
        return [login.auth_config() for login in found]
