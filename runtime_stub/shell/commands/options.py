"""This module is the reading of commands' options."""

from collections.abc import Sequence


class UsageError(Exception):
    """A command was called wrongly; the message is the command's."""


def options(
    arguments: Sequence[str], flags: str, *, valued: str = "", long: Sequence[str] = ()
) -> tuple[dict[str, str], list[str]]:
    """Return the options, with their values, and the operands.

    Args:
        arguments: what follows the command's name.
        flags: letters without a value.
        valued: letters with one.
        long: names of long options that are known and mean nothing.

    Raises:
        UsageError: an option is unknown or lacks its value.
    """
    found: dict[str, str] = {}
    rest = list(arguments)
    operands: list[str] = []
    while rest:
        word = rest.pop(0)
        if word == "--":
            return found, operands + rest
        if not word.startswith("-") or word == "-":
            operands.append(word)
            continue
        if word.startswith("--"):
            if word[2:].partition("=")[0] not in long:
                raise UsageError(f"unrecognized option '{word}'")
            continue
        letters = word[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter in valued:
                if not letters and not rest:
                    raise UsageError(f"option requires an argument -- '{letter}'")
                found[letter] = letters or rest.pop(0)
                letters = ""
            elif letter in flags:
                found[letter] = ""
            else:
                raise UsageError(f"invalid option -- '{letter}'")
    return found, operands
