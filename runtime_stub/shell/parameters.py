"""This module is what a shell knows: variables, arguments, and the parameters that it makes up when asked."""

from collections.abc import Mapping, Sequence

from runtime_stub.shell.jobs import Jobs


class Parameters:
    """What expansion asks a shell for (`expansion.Variables`).

    Args:
        name: `$0`; error messages begin with it.
        variables: the environment.
        jobs: the shell's background, for `$!`.
    """

    def __init__(self, *, name: str, variables: Mapping[str, str], jobs: Jobs) -> None:
        self.name = name
        self.variables = dict(variables)
        self.exported = set(variables)
        self.arguments: list[str] = []
        self.jobs = jobs
        self.status = 0
        self.stop_at_failure = False
        self.process_id = 1
        """`$$`: the process that the shell is, or a subshell is part of."""

    def get(self, name: str) -> str | None:
        """Return a variable or a special parameter."""
        match name:
            case "?":
                return str(self.status)
            case "#":
                return str(len(self.arguments))
            case "$":
                return str(self.process_id)
            case "!":
                return str(self.jobs.last_pid or "")
            case "-":
                return "e" if self.stop_at_failure else ""
            case "0":
                return self.name
            case _ if name.isdecimal():
                number = int(name)
                return self.arguments[number - 1] if number <= len(self.arguments) else None
            case _:
                return self.variables.get(name)

    def set(self, name: str, value: str) -> None:
        """Set a variable."""
        self.variables[name] = value

    def positional(self) -> Sequence[str]:
        """Return `$@`."""
        return self.arguments
