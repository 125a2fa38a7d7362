"""This module is who a process runs as: the user that a request or an image names, looked up in the image's files.

Upstream: containerd's oci.WithUser, WithAdditionalGIDs and the merging of supplemental groups in
internal/cri/server/container_create.go.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kubeletsim.pb import cri_pb2 as pb


class UnknownUser(Exception):  # becomes a Refusal where the call is known
    """The image has no user, or no group, of that name; the text is containerd's."""


@dataclass(frozen=True, slots=True)
class Identity:
    """User, primary group and further groups of a process."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()

    @property
    def all_groups(self) -> list[int]:
        """Every group, as the kernel lists them: the primary one first, then the others by number."""
        return [self.gid, *sorted(set(self.groups) - {self.gid})]


@dataclass(frozen=True, slots=True)
class Account:
    """One line of a passwd file."""

    name: str
    uid: int
    gid: int
    home: str


def identity_of(context: pb.LinuxContainerSecurityContext, *, image_user: str, passwd: str, group: str) -> Identity:
    """Return who a container's process is.

    Args:
        context: the request's; what it says counts more than the image.
        image_user: `user[:group]` of the image's configuration; empty for root.
        passwd: contents of the image's /etc/passwd.
        group: contents of the image's /etc/group.

    Raises:
        UnknownUser: a name is in neither file.
    """
    user, _, primary = image_user.partition(":")
    if context.HasField("run_as_user"):
        user, primary = str(context.run_as_user.value), ""
    elif context.run_as_username:
        user, primary = context.run_as_username, ""
    account = _account(user or "0", accounts(passwd))
    gid = _group(primary, group) if primary else account.gid
    if context.HasField("run_as_group"):
        gid = context.run_as_group.value
    own = () if context.supplemental_groups_policy == pb.Strict else _memberships(account.name, group)
    return Identity(account.uid, gid, tuple(sorted({*own, *context.supplemental_groups})))


def accounts(passwd: str) -> list[Account]:
    """Return the users of a passwd file; lines that are none are left out."""
    fields = [line.split(":") for line in passwd.splitlines()]
    return [Account(one[0], int(one[2]), int(one[3]), one[5]) for one in fields if _is_complete(one, 7)]


def user_name(uid: int, passwd: str) -> str:
    """Return the name of a user; empty when the file knows none."""
    return next((one.name for one in accounts(passwd) if one.uid == uid), "")


def group_name(gid: int, group: str) -> str:
    """Return the name of a group; empty when the file knows none."""
    return next((name for name, number, _ in _groups(group) if number == gid), "")


def _account(user: str, known: Sequence[Account]) -> Account:
    if user.isdecimal():
        uid = int(user)
        return next((one for one in known if one.uid == uid), Account("", uid, 0, "/"))
    found = next((one for one in known if one.name == user), None)
    if found is None:
        raise UnknownUser(f"no users found for {user}")
    return found


def _group(name: str, group: str) -> int:
    if name.isdecimal():
        return int(name)
    found = next((number for known, number, _ in _groups(group) if known == name), None)
    if found is None:
        raise UnknownUser(f"no groups found for {name}")
    return found


def _memberships(name: str, group: str) -> Iterable[int]:
    return [number for _, number, members in _groups(group) if name and name in members]


def _groups(group: str) -> list[tuple[str, int, list[str]]]:
    fields = [line.split(":") for line in group.splitlines()]
    return [(one[0], int(one[2]), one[3].split(",")) for one in fields if len(one) >= 4 and one[2].isdecimal()]


def _is_complete(fields: list[str], count: int) -> bool:
    return len(fields) >= count and fields[2].isdecimal() and fields[3].isdecimal()
