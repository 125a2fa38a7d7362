"""This module is the part of the configuration file that says what images are like: the catalogue's schema."""

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from runtime_stub.behaviour.catalogue import Credential, ImageEntry
from runtime_stub.behaviour.service import Service
from runtime_stub.rule_schema import Part

Port = Annotated[int, Field(ge=1, le=65535)]
AbsolutePath = Annotated[str, Field(pattern="^/")]
Status = Annotated[int, Field(ge=200, le=599)]

_FIELDS = {
    "any": {"status", "body", "paths", "root", "health"},
    "http": {"status", "body", "paths", "root"},
    "grpc": {"health"},
    "tcp": {"greeting", "replies"},
}


class ServiceEntry(Part):
    """One port that an image answers on; `behaviour.service.Service` says what each field means."""

    port: Port
    protocol: Literal["any", "http", "grpc", "tcp"] = "any"
    status: Status = 200
    body: str = ""
    paths: dict[AbsolutePath, Status] = Field(default_factory=dict)
    root: Annotated[str, Field(pattern="^(/.*)?$")] = ""
    greeting: str = ""
    replies: dict[str, str] = Field(default_factory=dict)
    health: dict[str, Literal["SERVING", "NOT_SERVING"]] = {"": "SERVING"}  # noqa: RUF012  # pydantic copies it
    failsAfterSeconds: float | None = Field(default=None, ge=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _has_its_own_fields_only(self) -> "ServiceEntry":
        foreign = self.model_fields_set - _FIELDS[self.protocol] - {"port", "protocol", "failsAfterSeconds"}
        if foreign:
            known = ", ".join(sorted(_FIELDS[self.protocol]))
            raise ValueError(
                f"{', '.join(sorted(foreign))} means nothing for protocol {self.protocol}, which has {known}"
            )
        return self

    def service(self) -> Service:
        """Return what this part of the file describes."""
        return Service(
            port=self.port,
            protocol=self.protocol,
            status=self.status,
            body=self.body,
            paths=self.paths,
            root=self.root,
            greeting=self.greeting,
            replies=self.replies,
            health=self.health,
            fails_after_seconds=math.inf if self.failsAfterSeconds is None else self.failsAfterSeconds,
        )


class CredentialEntry(Part):
    """One credential that opens an image's registry: username and password, or token."""

    username: str = ""
    password: str = ""
    token: str = ""

    @model_validator(mode="after")
    def _is_one(self) -> "CredentialEntry":
        if bool(self.username) == bool(self.token) or (self.password and not self.username):
            raise ValueError("must have username and password, or token")
        return self

    def credential(self) -> Credential:
        """Return what this part of the file describes."""
        return Credential(username=self.username, password=self.password, token=self.token)


class CatalogueEntry(Part):
    """What images of a name are like; `behaviour.catalogue.ImageEntry` says what each field means."""

    name: Annotated[str, Field(min_length=1)]
    content: str = ""
    user: str = ""
    command: list[str] = Field(default_factory=list)
    arguments: list[str] = Field(default_factory=list)
    environment: dict[Annotated[str, Field(pattern="^[^=]+$")], str] = Field(default_factory=dict)
    workingDirectory: Annotated[str, Field(pattern="^(/.*)?$")] = ""
    credentials: list[CredentialEntry] = Field(default_factory=list)
    serves: list[Port | ServiceEntry] | None = None
    banner: str = ""
    files: dict[AbsolutePath, str] = Field(default_factory=dict)

    def entry(self) -> ImageEntry:
        """Return what this part of the file describes."""
        serves = self.serves
        return ImageEntry(
            name=self.name,
            content=self.content,
            user=self.user,
            command=tuple(self.command),
            arguments=tuple(self.arguments),
            environment=self.environment,
            working_directory=self.workingDirectory,
            credentials=tuple(one.credential() for one in self.credentials),
            serves=None if serves is None else tuple(_service(one) for one in serves),
            banner=self.banner,
            files=self.files,
        )


def _service(entry: int | ServiceEntry) -> Service:
    return Service(port=entry) if isinstance(entry, int) else entry.service()
