"""The guess at what somebody meant by a name that does not exist."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean …?` for a known name that differs by case, a few letters or its end, else nothing."""
    by_lower_case = {candidate.lower(): candidate for candidate in known}
    close = get_close_matches(name.lower(), by_lower_case, n=1, cutoff=0.8)
    close = close or [candidate for candidate in by_lower_case if len(name) > 5 and candidate.startswith(name.lower())]
    return f"; did you mean {by_lower_case[close[0]]}?" if close else ""
