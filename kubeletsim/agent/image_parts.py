"""The image parts of a node: what it may pull with, and what it remembers of its pulls.

They are there before anything that uses them: a kubelet settles unfinished pulls of its last run while it starts.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from prometheus_client import CollectorRegistry

from kubeletsim.base.timing import Clock
from kubeletsim.clients.credential_plugin import CredentialPlugin, PluginMetrics
from kubeletsim.clients.cri import CRIClient
from kubeletsim.config.credential_providers import CredentialProviderSettings
from kubeletsim.config.kubelet_flags import KubeletFlags
from kubeletsim.model.errors import CRIError, StartupError
from kubeletsim.pods.credentials import CredentialProvider, DockerConfigFiles, NodeCredentials
from kubeletsim.pods.images import ImageAccess, PullRecordFiles, Verification

if TYPE_CHECKING:
    from kubeletsim.config.schema.kubelet import KubeletConfiguration


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageParts:
    """What pulls need besides the runtime."""

    credentials: NodeCredentials
    access: ImageAccess | None
    """None without the gate KubeletEnsureSecretPulledImages: then what is there is everybody's."""

    @classmethod
    def build(
        cls,
        config: "KubeletConfiguration",
        flags: KubeletFlags,
        providers: tuple[CredentialProviderSettings, ...],
        *,
        environ: Mapping[str, str],
        clock: Clock,
        registry: CollectorRegistry,
    ) -> Self:
        """Build them.

        Raises:
            StartupError: the directories of the records cannot be made.
        """
        home = environ.get("HOME")
        files = DockerConfigFiles(flags.root_dir, home=Path(home) if home else None, clock=clock)
        asked = _providers(flags, providers, environ=environ, clock=clock, registry=registry)
        # Empty is what the policy becomes without its gate.
        policy = config.imagePullCredentialsVerificationPolicy
        access = None
        if policy:
            records = PullRecordFiles(flags.root_dir)
            try:
                records.make()
            except OSError as error:
                raise StartupError(f"cannot make the directory of image pull records: {error}") from error
            verification = Verification(policy, tuple(config.preloadedImagesVerificationAllowlist))
            access = ImageAccess(records, verification=verification, clock=clock, registry=registry)
        return cls(credentials=NodeCredentials(files, providers=asked), access=access)

    async def settle(self, runtime: CRIClient) -> None:
        """See what became of pulls that the last run began: a ListImages, but only if there are any."""
        unfinished = self.access.unfinished() if self.access is not None else []
        if self.access is None or not unfinished:
            return
        try:
            present = await runtime.list_images()
        except CRIError:
            present = []  # the records stay for the next start
        self.access.adopt(unfinished, present)

    def forget_pulls(self, present: Collection[str], began_at: float) -> None:
        """Forget the pulls of images that garbage collection, begun then in Unix seconds, has removed."""
        if self.access is not None:
            self.access.prune(present, until=began_at)


def _providers(
    flags: KubeletFlags,
    providers: tuple[CredentialProviderSettings, ...],
    *,
    environ: Mapping[str, str],
    clock: Clock,
    registry: CollectorRegistry,
) -> list[CredentialProvider]:
    if not providers or flags.image_credential_provider_bin_dir is None:
        return []
    metrics = PluginMetrics(registry)
    return [
        CredentialProvider(
            one.name,
            CredentialPlugin(
                flags.image_credential_provider_bin_dir / one.name,
                api_version=one.api_version,
                args=one.args,
                environ={**environ, **dict(one.env)},
                clock=clock,
                metrics=metrics,
            ),
            match_images=one.match_images,
            default_cache_seconds=one.default_cache_seconds,
            wants_service_account=one.requires_service_account,
            clock=clock,
        )
        for one in providers
    ]
