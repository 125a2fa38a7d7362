import json
import subprocess
import sys

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kubeletsim.base.go_yaml import ExcessiveTextError, GoDumper, UnreadableTextError, read_document
from tests.strategies import json_documents


def refusal(text: str) -> UnreadableTextError:
    with pytest.raises(UnreadableTextError) as refused:
        read_document(text)
    return refused.value


def aliased(levels: int, width: int, *, merged: bool = False) -> str:
    """A few lines that unfold to width ** levels values."""
    lines = ["a0: &a0 {x: 1}" if merged else "a0: &a0 [x]"]
    for level in range(1, levels + 1):
        aliases = ", ".join([f"*a{level - 1}"] * width)
        lines.append(f"a{level}: &a{level} " + (f"{{<<: [{aliases}]}}" if merged else f"[{aliases}]"))
    return "\n".join(lines)


def chained(length: int) -> str:
    """Aliases each of which holds the one before: flat as a text, deep as a value."""
    return "a0: &a0 [x]\n" + "\n".join(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, length))


HOSTILE = {
    "flow sequences": "[" * 100_000,
    "closed flow sequences": "[" * 100_000 + "]" * 100_000,
    "flow mappings": "{" * 100_000,
    "flow mappings with keys": "{a: " * 100_000,
    "block sequences": "- " * 100_000 + "x",
    "block mappings": "\n".join(" " * depth + "a:" for depth in range(300)),
    "complex keys": "? " * 100_000,
    "JSON": '{"a":' * 100_000,
    "JSON that YAML cannot express": '{"a": "\\ud83d\\ude00", "b": ' + "[" * 100_000,
    "closed JSON that YAML cannot express": '{"a": "\\ud83d\\ude00", "b": ' + "[" * 200 + "]" * 200 + "}",
    "an alias bomb": aliased(9, 10),
    "a wide alias bomb": aliased(2, 20_000),
    "a bomb of merges": aliased(9, 10, merged=True),
    "a wide bomb of merges": aliased(2, 20_000, merged=True),
    "a chain of aliases": chained(400),
    "a chain of merges": "a0: &a0 {x: 1}\n" + "\n".join(f"a{n}: &a{n} {{<<: *a{n - 1}}}" for n in range(1, 400)),
    "a sequence within itself": "&a [*a]",
    "a mapping within itself": "a: &a\n  b: *a",
    "a mapping merged into itself": "a: &a {<<: *a}",
    "many values": "[" + "x," * 300_000 + "]",
    "many values of JSON": '{"a": "\\ud83d\\ude00", "b": [' + ",".join(["1"] * 200_000) + "]}",
    "a long hexadecimal number": "0x" + "f" * 100_000,
    "a long number in JSON": '{"a": "\\ud83d\\ude00", "b": ' + "9" * 4_000 + "}",
    "a longer number in JSON": '{"a": "\\ud83d\\ude00", "b": ' + "9" * 100_000 + "}",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_text_is_refused(text: str) -> None:
    with pytest.raises(ExcessiveTextError):
        read_document(text)


def test_a_hostile_text_does_not_take_the_process_down() -> None:
    # In a process of its own: a stack that overflows in C would end the test run without a word.
    program = (
        "import sys; from kubeletsim.base.go_yaml import *\n"
        "try: read_document(sys.stdin.read())\n"
        "except ExcessiveTextError as error: print(error)"
    )
    for text in ("[" * 1_000_000, "- " * 1_000_000, "? " * 1_000_000, '{"a":' * 1_000_000):
        done = subprocess.run([sys.executable, "-c", program], input=text, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert "nested more than 100 deep" in done.stdout


def test_what_is_as_deep_as_allowed_is_read() -> None:
    assert read_document("[" * 100 + "]" * 100).value
    assert refusal("[" * 101 + "]" * 101).line == 1
    assert read_document(chained(99)).value
    assert "deep" in refusal(chained(100)).why


def test_as_many_values_as_allowed_are_read() -> None:
    assert read_document("{a: 1, b: [2]}", most_values=4).value == {"a": 1, "b": [2]}
    with pytest.raises(ExcessiveTextError, match="more than 3 values"):
        read_document("{a: 1, b: [2]}", most_values=3)


@given(st.text(alphabet="[]{}:,-?&*!|>'\"%@`#<~ \n\tab01.\\u") | st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    refused = ""
    try:
        json.dumps(read_document(text).value)
    except UnreadableTextError as error:
        refused = str(error)
    assert "\n" not in refused


@given(json_documents())
def test_json_and_yaml_of_one_value_read_alike(value: object) -> None:
    assert read_document(json.dumps({"key": value})).value == {"key": value}
    assert read_document(yaml.safe_dump({"key": value})).value == {"key": value}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1_0.2_5", 10.25),
        ("0b11", 3),
        ("-0x1F", -31),
        ("1e-2", 0.01),
        (".5", 0.5),
        ("=", "="),
        ("y", True),
        ("N", False),
        ("Off", False),
        ("oN", "oN"),
        ("12:30:45", "12:30:45"),
    ],
)
def test_scalars_are_those_of_go(text: str, value: object) -> None:
    assert read_document(f"a: {text}").value == {"a": value}


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda some: st.lists(some)))
def test_what_is_written_is_read_as_it_was_meant(value: object) -> None:
    written = yaml.dump({"a": value, "texts": ["y", "1e3", "0o7", "1_0"]}, Dumper=GoDumper, allow_unicode=True)

    assert read_document(written).value == {"a": value, "texts": ["y", "1e3", "0o7", "1_0"]}


@pytest.mark.parametrize("text", ["!!timestamp 2001-01-01", "!!binary aGk=", "!!bool x", "!!int x", "!!python/none x"])
def test_a_tag_that_json_has_no_value_for_is_refused(text: str) -> None:
    error = refusal(f"a: 1\nb: {text}")
    assert (error.line, error.column) == (2, 4)


def test_half_of_a_surrogate_pair_is_refused() -> None:
    assert "surrogate" in refusal('{"a": "\\ud83d"}').why
    assert "surrogate" in refusal('{"\\ud83d": 1}').why


def test_an_error_says_where_and_in_what() -> None:
    yaml_error, json_error = refusal("a: 1\nb: [1\n"), refusal('{"a": 1,\n "b" 2}')
    assert (yaml_error.notation, yaml_error.line, yaml_error.column) == ("YAML", 3, 1)
    assert (json_error.notation, json_error.line, json_error.column) == ("JSON", 2, 6)
    assert str(json_error).startswith("line 2, column 6: ")


def test_what_a_merge_brings_in_gives_way_to_the_mappings_own_and_to_earlier_merges() -> None:
    text = "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz: {c: 3, <<: [*x, *y]}"
    assert read_document(text).value["z"] == {"a": 1, "b": 1, "c": 3}


def test_a_key_given_twice_in_what_is_merged_is_told_once() -> None:
    document = read_document("x: &x {a: 1, a: 2}\nz: {<<: *x}")
    assert document.duplicates == ((("x", "a"), 1),)
    assert document.value["z"] == {"a": 2}


def test_only_mappings_can_be_merged() -> None:
    assert "only mappings can be merged" in refusal("a: {<<: 1}").why
    assert "only mappings can be merged" in refusal("a: {<<: [{b: 1}, c]}").why
