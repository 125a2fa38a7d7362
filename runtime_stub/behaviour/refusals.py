"""This module is the wording of refusals: which gRPC code and which text a runtime answers with.

A table maps a reason to a code and a format string over the refusal's facts; `{name:q}` quotes as Go's %q does. The
codes are gRPC's names; a refusal that carries its own code keeps it.
"""

from collections.abc import Mapping

from runtime_stub.state.refusals import Reason, Refusal

Wording = tuple[str, str]
Wordings = Mapping[Reason, Wording]


def word(refusal: Refusal, wordings: Wordings) -> Wording:
    """Return the gRPC code's name and the text of a refusal."""
    code, text = wordings[refusal.reason]
    facts = {name: _Text(fact) if isinstance(fact, str) else fact for name, fact in refusal.facts.items()}
    return refusal.code or code, text.format_map(facts)


def go_duration(seconds: int) -> str:
    """Return whole seconds as Go prints a duration: `1s`, `1m30s`, `2h0m0s`."""
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{seconds}s"
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"


class _Text(str):
    """A string that knows how to be quoted in a format."""

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        return _go_quote(self) if spec == "q" else super().__format__(spec)


def _go_quote(text: str) -> str:
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return '"' + "".join(escapes.get(char, char) for char in text) + '"'
