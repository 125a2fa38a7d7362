"""A script is taken apart as a shell would, or not at all."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime_stub.shell.words import Statement, UnfinishedScript, split_script

words = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("script", "statements"),
    [
        ("sleep 1; exit 3", [Statement("", ("sleep", "1")), Statement(";", ("exit", "3"))]),
        ("a\nb", [Statement("", ("a",)), Statement(";", ("b",))]),
        ("a && b || c", [Statement("", ("a",)), Statement("&&", ("b",)), Statement("||", ("c",))]),
        ("echo 'a;b' \"c;d\" e\\;f", [Statement("", ("echo", "a;b", "c;d", "e;f"))]),
        ("echo a # ; exit 1\nb", [Statement("", ("echo", "a")), Statement(";", ("b",))]),
        ("echo a#b", [Statement("", ("echo", "a#b"))]),
        ("echo a \\\n b", [Statement("", ("echo", "a", "b"))]),
        ('echo "it\'s"', [Statement("", ("echo", "it's"))]),
        ("echo '\\'", [Statement("", ("echo", "\\"))]),
        (";;\n ;", []),
        ("", []),
        ("\\", [Statement("", ("\\",))]),
    ],
    ids=lambda one: repr(one) if isinstance(one, str) else "",
)
def test_statements_end_where_a_shell_ends_them(script: str, statements: list[Statement]) -> None:
    assert split_script(script) == statements


@pytest.mark.parametrize(
    "script",
    ["ls | wc", "cat < f", "echo $HOME", 'echo "$HOME"', "sleep 1 &", "(true)", "X=1 true", "if true", "echo `id`"],
)
def test_what_is_not_emulated_is_marked_as_foreign(script: str) -> None:
    assert split_script(script)[0].foreign


@pytest.mark.parametrize("script", ["echo '$HOME | x'", 'echo "a|b"', "echo \\$HOME", "echo a=b"])
def test_quoted_characters_are_only_characters(script: str) -> None:
    assert not split_script(script)[0].foreign


@pytest.mark.parametrize("script", ["echo 'a", 'echo "a', 'echo "a\\'])
def test_an_open_quote_is_an_error(script: str) -> None:
    with pytest.raises(UnfinishedScript):
        split_script(script)


@given(st.lists(st.lists(words, min_size=1, max_size=4), min_size=1, max_size=4))
def test_quoted_words_survive_whatever_they_contain(commands: list[list[str]]) -> None:
    script = " ; ".join(shlex.join(command) for command in commands)

    assert [list(one.words) for one in split_script(script)] == commands


@given(st.text(max_size=60))
def test_no_text_makes_the_reader_fall_over(script: str) -> None:
    try:
        split_script(script)
    except UnfinishedScript:
        assert "'" in script or '"' in script
