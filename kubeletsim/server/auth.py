"""Who asks, and may they: authentication and authorization of every request to the authenticated server.

Authenticators are tried in turn; the first that knows the caller wins, and one that is shown bad credentials ends the
matter. What nobody recognises is anonymous, if that is allowed. The TLS handshake has verified a client certificate
before anything here sees it, so one that does not stem from clientCAFile never gets as far as a 401: the connection
fails. That differs from upstream, which verifies in the filter; Python's ssl module can only do it in the handshake.

Upstream: cmd/kubelet/app/auth.go, pkg/kubelet/server/auth.go.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from kubeletsim.model.errors import KubeletSimError, StartupError

ANONYMOUS_GROUP = "system:unauthenticated"
AUTHENTICATED_GROUP = "system:authenticated"

VERBS = {"POST": "create", "GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}

SUBRESOURCES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("/pods", ("pods", "proxy")),
    ("/runningpods", ("pods", "proxy")),
    ("/healthz", ("healthz", "proxy")),
    ("/configz", ("configz", "proxy")),
    ("/stats", ("stats",)),
    ("/metrics", ("metrics",)),
    ("/logs", ("log",)),
    ("/checkpoint", ("checkpoint",)),
    ("/statusz", ("statusz",)),
    ("/flagz", ("configz",)),
)
"""The `nodes/…` subresources that a path is authorized against, tried in order; all other paths are `proxy`."""


class BadCredentials(KubeletSimError):
    """Credentials were shown and are not good: the answer is 401, even where anonymous callers are let in."""


class AuthorizationUnavailable(KubeletSimError):
    """Whether the caller may do this cannot be found out now: the answer is 500."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """An authenticated caller."""

    name: str
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificate:
    """A client certificate that the handshake has verified."""

    subject: Sequence[Sequence[tuple[str, str]]]
    """As `ssl.SSLSocket.getpeercert` shows it: relative names, each a list of attribute and value."""
    der: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a request shows of its sender."""

    certificate: ClientCertificate | None = None
    bearer_token: str = ""


class Authenticator(Protocol):
    """One way to recognise a caller."""

    async def authenticate(self, credentials: Credentials) -> User | None:
        """Return the caller, or None when the credentials are not of this kind.

        Raises:
            BadCredentials: they are of this kind and do not hold.
        """


class X509Authenticator:
    """Recognises callers by their client certificate: CN is the user, each O a group."""

    async def authenticate(self, credentials: Credentials) -> User | None:
        """Return the certificate's user; None without a certificate or without a CN in it."""
        if credentials.certificate is None:
            return None
        names = [pair for relative in credentials.certificate.subject for pair in relative]
        common_names = [value for key, value in names if key == "commonName" and value]
        if not common_names:
            return None
        digest = hashlib.sha256(credentials.certificate.der).hexdigest()
        return User(
            name=common_names[-1],
            groups=tuple(value for key, value in names if key == "organizationName"),
            extra={"authentication.kubernetes.io/credential-id": (f"X509SHA256={digest}",)},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What an authorizer decides about: may this user do this to that subresource of the node."""

    user: User
    verb: str
    """`get`, `create`, …; empty for a method that has none, such as OPTIONS."""
    node_name: str
    subresource: str
    path: str


class Authorizer(Protocol):
    """Decides who may do what."""

    async def allows(self, attributes: Attributes) -> bool:
        """Tell whether it is allowed.

        Raises:
            AuthorizationUnavailable: that cannot be found out now.
        """


class AlwaysAllow:
    """The authorizer of mode AlwaysAllow."""

    async def allows(self, attributes: Attributes) -> bool:  # noqa: ARG002  the seam's signature
        """Allow it."""
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a request goes no further, as the answer to it."""

    status: int
    text: str


class RequestAuth:
    """Authentication and authorization of one listener's requests.

    Args:
        authenticators: tried in order.
        anonymous: whether callers without credentials are let in as system:anonymous.
        authorizer: decides about whoever was let in.
        node_name: the node that is asked.
    """

    def __init__(
        self, *, authenticators: Sequence[Authenticator], anonymous: bool, authorizer: Authorizer, node_name: str
    ) -> None:
        self._authenticators = tuple(authenticators)
        self._anonymous = anonymous
        self._authorizer = authorizer
        self._node_name = node_name

    async def check(self, credentials: Credentials, *, method: str, path: str) -> Refusal | None:
        """Return None for a request that may go on, else the answer that ends it."""
        try:
            user = await self._authenticate(credentials)
        except BadCredentials:
            user = None
        if user is None:
            return Refusal(status=401, text="Unauthorized")
        return await self._authorize(user, method=method, path=path)

    async def _authenticate(self, credentials: Credentials) -> User | None:
        for authenticator in self._authenticators:
            user = await authenticator.authenticate(credentials)
            if user is not None:
                groups = (*user.groups, AUTHENTICATED_GROUP)
                return User(name=user.name, groups=tuple(dict.fromkeys(groups)), extra=user.extra)
        return User(name="system:anonymous", groups=(ANONYMOUS_GROUP,)) if self._anonymous else None

    async def _authorize(self, user: User, *, method: str, path: str) -> Refusal | None:
        verb = VERBS.get(method, "")
        tried: list[str] = []
        for subresource in subresources(path):
            tried.append(subresource)
            attributes = Attributes(user=user, verb=verb, node_name=self._node_name, subresource=subresource, path=path)
            try:
                if await self._authorizer.allows(attributes):
                    return None
            except AuthorizationUnavailable:
                asked = f"user={user.name}, verb={verb}, resource=nodes, subresource={subresource}"
                return Refusal(status=500, text=f"Authorization error ({asked})")
        asked = f"user={user.name}, verb={verb}, resource=nodes, subresource(s)=[{' '.join(tried)}]"
        return Refusal(status=403, text=f"Forbidden ({asked})\n")


def subresources(path: str) -> tuple[str, ...]:
    """Return the subresources of the node that a path is authorized against; the first that is allowed suffices."""
    for prefix, names in SUBRESOURCES:
        if path == prefix or path.startswith(f"{prefix}/"):
            return names
    return ("proxy",)


def credentials_of(peercert: Mapping[str, Any] | None, der: bytes | None, *, authorization: str) -> Credentials:
    """Gather what a connection and a request's Authorization header show of the sender."""
    certificate = ClientCertificate(subject=peercert.get("subject", ()), der=der) if peercert and der else None
    scheme, _, token = authorization.strip().partition(" ")
    return Credentials(certificate=certificate, bearer_token=token.strip() if scheme.lower() == "bearer" else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthSettings:
    """authentication.* and authorization.* of the configuration."""

    client_ca_file: str = ""
    anonymous: bool = False
    webhook_authentication: bool = True
    authorization_mode: str = "Webhook"


def build_auth(
    settings: AuthSettings,
    *,
    node_name: str,
    token_authenticator: Authenticator | None = None,
    webhook_authorizer: Authorizer | None = None,
) -> RequestAuth:
    """Put authentication and authorization together from the configuration.

    Args:
        settings: what the configuration says.
        node_name: the node that is asked.
        token_authenticator: asks an API server about bearer tokens; needed for webhook authentication.
        webhook_authorizer: asks an API server for permission; needed for mode Webhook.

    Raises:
        StartupError: a webhook is wanted and there is no API server to ask; one line for each.
    """
    faults = []
    if settings.webhook_authentication and token_authenticator is None:
        faults.append(
            "authentication.webhook.enabled: no client provided, cannot use webhook authentication; "
            "without an API server it must be false"
        )
    authorizer: Authorizer | None = AlwaysAllow()
    if settings.authorization_mode == "Webhook":
        authorizer = webhook_authorizer
        if authorizer is None:
            faults.append(
                "authorization.mode: no client provided, cannot use webhook authorization; "
                "without an API server it must be AlwaysAllow"
            )
    if faults or authorizer is None:
        raise StartupError("\n".join(faults))
    authenticators: list[Authenticator] = [X509Authenticator()] if settings.client_ca_file else []
    if settings.webhook_authentication and token_authenticator is not None:
        authenticators.append(token_authenticator)
    return RequestAuth(
        authenticators=authenticators, anonymous=settings.anonymous, authorizer=authorizer, node_name=node_name
    )
