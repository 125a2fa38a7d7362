"""Authentication in order, authorization by subresource."""

import pytest

from kubeletsim.model.errors import StartupError
from kubeletsim.server.auth import (
    AlwaysAllow,
    AuthorizationUnavailable,
    AuthSettings,
    BadCredentials,
    ClientCertificate,
    Credentials,
    RequestAuth,
    User,
    X509Authenticator,
    build_auth,
    credentials_of,
    subresources,
)


class Tokens:
    """Knows one token."""

    async def authenticate(self, credentials: Credentials) -> User | None:
        if not credentials.bearer_token:
            return None
        if credentials.bearer_token != "good":
            raise BadCredentials("no such token")
        return User(name="robot", groups=("system:authenticated",))


class Broken:
    """Cannot reach its API server."""

    async def allows(self, attributes) -> bool:
        raise AuthorizationUnavailable("connection refused")


class Keeping:
    """Allows all and remembers."""

    def __init__(self) -> None:
        self.asked = []

    async def allows(self, attributes) -> bool:
        self.asked.append(attributes)
        return True


def auth(authorizer=None, *, anonymous=True, authenticators=None):
    return RequestAuth(
        authenticators=[X509Authenticator(), Tokens()] if authenticators is None else authenticators,
        anonymous=anonymous,
        authorizer=authorizer or AlwaysAllow(),
        node_name="node-1",
    )


def certificate(*names: tuple[str, str]) -> Credentials:
    return Credentials(certificate=ClientCertificate(subject=[[name] for name in names], der=b"der"))


async def test_bad_credentials_are_refused_where_none_at_all_would_be_anonymous():
    keeping = Keeping()
    none = await auth(keeping).check(Credentials(), method="GET", path="/pods")
    bad = await auth(keeping).check(Credentials(bearer_token="bad"), method="GET", path="/pods")

    assert none is None
    assert (bad.status, bad.text) == (401, "Unauthorized")
    (attributes,) = keeping.asked
    assert (attributes.user.name, attributes.user.groups) == ("system:anonymous", ("system:unauthenticated",))


async def test_a_certificate_comes_before_a_token_and_each_joins_the_authenticated_once():
    keeping = Keeping()
    both = Credentials(
        certificate=ClientCertificate(subject=[[("commonName", "old")], [("commonName", "admin")]], der=b"der"),
        bearer_token="good",
    )
    await auth(keeping).check(both, method="GET", path="/pods")
    await auth(keeping).check(Credentials(bearer_token="good"), method="GET", path="/pods")

    first, second = (attributes.user for attributes in keeping.asked)
    assert (first.name, first.groups) == ("admin", ("system:authenticated",))
    (credential_id,) = first.extra["authentication.kubernetes.io/credential-id"]
    assert credential_id.startswith("X509SHA256=")
    assert (second.name, second.groups) == ("robot", ("system:authenticated",))


async def test_without_webhook_authentication_a_token_is_ignored():
    answer = await auth(authenticators=[], anonymous=True).check(
        Credentials(bearer_token="bad"), method="GET", path="/pods"
    )

    assert answer is None


@pytest.mark.parametrize(
    ("method", "verb"), [("GET", "get"), ("POST", "create"), ("PUT", "update"), ("PATCH", "patch"), ("HEAD", "")]
)
async def test_methods_become_verbs(method, verb):
    keeping = Keeping()
    await auth(keeping).check(Credentials(), method=method, path="/pods")

    assert keeping.asked[0].verb == verb


async def test_an_authorizer_that_cannot_tell_is_a_500():
    answer = await auth(Broken()).check(Credentials(), method="GET", path="/metrics")

    assert (answer.status, answer.text) == (
        500,
        "Authorization error (user=system:anonymous, verb=get, resource=nodes, subresource=metrics)",
    )


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/pods", ("pods", "proxy")),
        ("/pods/", ("pods", "proxy")),
        ("/podsx", ("proxy",)),
        ("/runningpods/", ("pods", "proxy")),
        ("/healthz/ping", ("healthz", "proxy")),
        ("/configz", ("configz", "proxy")),
        ("/stats/summary", ("stats",)),
        ("/metrics/cadvisor", ("metrics",)),
        ("/logs/kern.log", ("log",)),
        ("/checkpoint/ns/pod/c", ("checkpoint",)),
        ("/flagz", ("configz",)),
        ("/statusz", ("statusz",)),
        ("/exec/ns/pod/c", ("proxy",)),
    ],
)
def test_paths_are_authorized_against_their_subresource(path, names):
    assert subresources(path) == names


@pytest.mark.parametrize(
    ("header", "token"), [("Bearer abc", "abc"), ("bearer  abc ", "abc"), ("Basic abc", ""), ("", ""), ("Bearer", "")]
)
def test_a_token_is_what_follows_bearer(header, token):
    assert credentials_of(None, None, authorization=header).bearer_token == token


def test_webhooks_with_an_api_server_are_fine_and_each_missing_one_is_a_line():
    settings = AuthSettings()
    assert build_auth(settings, node_name="n", token_authenticator=Tokens(), webhook_authorizer=Keeping())
    with pytest.raises(StartupError, match=r"^authorization\.mode: no client provided"):
        build_auth(settings, node_name="n", token_authenticator=Tokens())
    with pytest.raises(StartupError, match=r"^authentication\.webhook\.enabled: no client provided"):
        build_auth(settings, node_name="n", webhook_authorizer=Keeping())
