"""This module is POSIX' regular expressions, as Python's."""

import re


def regex(pattern: str, *, extended: bool) -> str:
    """Return a POSIX regular expression as Python's; in basic ones, braces and parentheses need a backslash."""
    for name, members in (("alpha", "a-zA-Z"), ("digit", "0-9"), ("alnum", "a-zA-Z0-9"), ("space", r"\s"),
                          ("upper", "A-Z"), ("lower", "a-z"), ("xdigit", "0-9a-fA-F")):  # fmt: skip
        pattern = pattern.replace(f"[:{name}:]", members)
    if extended:
        return pattern

    def swap(found: re.Match[str]) -> str:
        text = found[0]
        return text[1] if text[0] == "\\" else f"\\{text}"

    return re.sub(r"\\[(){}|+?]|[(){}|+?]", swap, pattern)
