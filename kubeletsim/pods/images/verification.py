"""Which images that are on the node already need the pod's own credentials: `imagePullCredentialsVerificationPolicy`.

Upstream: pkg/kubelet/images/pullmanager/image_pull_policies.go.
"""

from dataclasses import dataclass

from kubeletsim.pods.requests import RequestError, repository

NEVER = "NeverVerify"
NEVER_PRELOADED = "NeverVerifyPreloadedImages"
NEVER_ALLOWLISTED = "NeverVerifyAllowlistedImages"
ALWAYS = "AlwaysVerify"


@dataclass(frozen=True, slots=True)
class Verification:
    """The configured policy."""

    policy: str = NEVER_PRELOADED
    allowlist: tuple[str, ...] = ()
    """preloadedImagesVerificationAllowlist: names without tag or digest, or prefixes that end in `/*`."""

    def is_required(self, image: str, *, pulled_by_kubelet: bool) -> bool:
        """Tell whether a pod has to show that it may use an image that is there.

        Args:
            image: as the pod names it.
            pulled_by_kubelet: whether a record says that this kubelet, or one before it, pulled the image.
        """
        if self.policy == NEVER_PRELOADED:
            return pulled_by_kubelet
        if self.policy == NEVER_ALLOWLISTED:
            return not self._is_allowed(image)
        return self.policy == ALWAYS

    def _is_allowed(self, image: str) -> bool:
        try:
            name = repository(image)
        except RequestError:
            return False
        return any(
            name.startswith(pattern.removesuffix("*")) if pattern.endswith("/*") else name == pattern
            for pattern in self.allowlist
        )
