import json
from typing import Any

import pytest
import yaml
from hypothesis import given

from kubeletsim.config.documents import parse_document
from kubeletsim.model.errors import ConfigError
from tests.strategies import json_documents


def parse(text: str) -> Any:
    return parse_document(text, source="kubelet.yaml")


def complaint(text: str) -> str:
    with pytest.raises(ConfigError) as refused:
        parse(text)
    return str(refused.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1e3", 1000),
        ("a: 1.5", 1.5),
        ("a: 10.0", 10),
        ("a: 0x10", 16),
        ("a: 0o17", 15),
        ("a: 017", 15),
        ("a: 1_000", 1000),
        ("a: yes", True),
        ("a: off", False),
        ("a: ~", None),
        ("a:", None),
        ("a: 1:30", "1:30"),
        ("a: 2001-01-01", "2001-01-01"),
        ("a: 1m30s", "1m30s"),
        ("a: 5%", "5%"),
        ("a: 0s", "0s"),
        ("a: '1'", "1"),
        ("a: y", True),
        ("a: <<", "<<"),
        ("a: &x [1]\nb: *x", [1]),
    ],
)
def test_scalars_are_what_go_takes_them_for(text: str, value: object) -> None:
    found = parse(text).value["a"]
    assert found == value
    assert type(found) is type(value)


@given(json_documents())
def test_json_reads_as_json(value: object) -> None:
    assert parse(json.dumps({"key": value})).value == {"key": value}


@given(json_documents())
def test_yaml_reads_what_yaml_wrote(value: object) -> None:
    assert parse(yaml.safe_dump({"key": value})).value == {"key": value}


def test_json_that_is_no_yaml_is_read_all_the_same() -> None:
    document = parse('{"a": "\\ud83d\\ude00", "b": 1, "b": 2}')
    assert document.value == {"a": "\N{GRINNING FACE}", "b": 2}
    assert [finding.path for finding in document.duplicates] == ["b"]


def test_every_value_has_its_line() -> None:
    document = parse("# comment\na: 1\nb:\n  c: 2\n  d:\n  - x\n  - e: 3\nevictionHard:\n  memory.available: 1Mi\n")
    assert document.lines == {
        "a": 2,
        "b": 3,
        "b.c": 4,
        "b.d": 5,
        "b.d[0]": 6,
        "b.d[1]": 7,
        "b.d[1].e": 7,
        "evictionHard": 8,
        "evictionHard[memory.available]": 9,
    }


def test_of_a_key_given_twice_the_last_counts_and_is_named_with_its_line() -> None:
    document = parse("a: 1\nb: {c: 1, c: 2}\na: 3\n")
    assert document.value == {"a": 3, "b": {"c": 2}}
    assert [(finding.path, finding.line) for finding in document.duplicates] == [("a", 3), ("b.c", 2)]
    assert document.lines["a"] == 3


def test_merge_keys_fill_in_and_are_no_duplicates() -> None:
    document = parse("base: &base {a: 1, b: 2}\nown: {<<: *base, b: 3}\n")
    assert document.value["own"] == {"a": 1, "b": 3}
    assert not document.duplicates


def test_keys_become_texts_as_in_json() -> None:
    assert parse("1: a\ntrue: b\n1.5: c\n").value == {"1": "a", "true": "b", "1.5": "c"}


def test_only_the_first_document_is_read() -> None:
    document = parse("---\na: 1\n---\nb: 2\n")
    assert document.value == {"a": 1}
    assert document.has_more
    assert not parse("a: 1\n---\n"[:5]).has_more


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "\n\n", "null"])
def test_an_empty_text_is_no_value(text: str) -> None:
    assert parse(text).value is None


def test_bad_yaml_is_refused_with_its_line() -> None:
    assert complaint("a: 1\nb: [1\n").startswith(
        "kubelet.yaml:3: YAML: cannot be read: did not find expected ',' or ']'"
    )
    assert "kubelet.yaml:2: YAML: cannot be read" in complaint("a: 1\n\tb: 2\n")
    assert "kubelet.yaml:1: YAML: cannot be read" in complaint("a: !!python/object:os.system x\n")


def test_bad_json_is_refused_with_its_line() -> None:
    assert complaint('{"a": 1,\n "b" 2}').startswith("kubelet.yaml:2: JSON: cannot be read: ")


def test_a_value_within_itself_is_refused() -> None:
    assert "a value contains itself" in complaint("a: &a\n  b: *a\n")
    assert "a value contains itself" in complaint("a: &a [1, *a]\n")


def test_a_document_that_unfolds_to_billions_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert "more than 100000 values" in complaint("\n".join(lines))


def test_bottomless_nesting_is_refused() -> None:
    assert "nested more than 100 deep" in complaint("a: " + "[" * 100_000 + "]" * 100_000)
    assert "nested too deeply" in complaint('{"a": "\\ud800", "b": ' + "[" * 100_000 + "]" * 100_000 + "}")


def test_a_number_of_absurd_length_is_refused() -> None:
    assert "cannot be read" in complaint("a: " + "9" * 10_000)


def test_a_key_that_is_no_scalar_is_refused() -> None:
    assert "a key is no text" in complaint("? [1, 2]\n: x\n")
    assert "a key is no text" in complaint("~: x\n")
