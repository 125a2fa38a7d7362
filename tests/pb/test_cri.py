"""The compiled CRI is the interface of the facts table, and the committed code is what `make proto` makes of it."""

import filecmp
import json
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from kubeletsim.pb import cri_pb2

ROOT = Path(__file__).parents[2]
FACTS = json.loads((Path(__file__).parent / "cri-v1.json").read_text())
FILE = cri_pb2.DESCRIPTOR
SCALARS = {
    getattr(FieldDescriptor, f"TYPE_{name.upper()}"): name
    for name in ("double", "bool", "string", "bytes", "int32", "int64", "uint32", "uint64", "message", "enum")
}


def enums() -> dict[str, EnumDescriptor]:
    nested = (enum for message in FILE.message_types_by_name.values() for enum in message.enum_types)
    return {_short(enum): enum for enum in (*FILE.enum_types_by_name.values(), *nested)}


def test_the_package_and_the_syntax_are_cris() -> None:
    assert (FILE.package, FACTS["syntax"]) == (FACTS["package"], "proto3")
    assert not any(field.has_presence for field in fields() if field.type != FieldDescriptor.TYPE_MESSAGE)


@pytest.mark.parametrize("service", FACTS["services"])
def test_each_service_has_its_methods_with_their_types_and_streams(service: str) -> None:
    compiled = FILE.services_by_name[service]
    found = [
        {
            "method": method.name,
            "request": method.input_type.name,
            "response": method.output_type.name,
            "client_streaming": method.client_streaming,
            "server_streaming": method.server_streaming,
        }
        for method in compiled.methods
    ]
    assert by_name(found, "method") == by_name(FACTS["services"][service], "method")


def test_there_are_no_other_services_messages_and_enums() -> None:
    assert set(FILE.services_by_name) == set(FACTS["services"])
    assert set(FILE.message_types_by_name) == set(FACTS["messages"])
    assert set(enums()) == set(FACTS["enums"])


@pytest.mark.parametrize("message", FACTS["messages"])
def test_each_message_has_its_fields(message: str) -> None:
    compiled = FILE.message_types_by_name[message]
    assert by_name([facts_of(field) for field in compiled.fields], "name") == by_name(
        FACTS["messages"][message], "name"
    )
    assert not compiled.oneofs
    assert all(nested.GetOptions().map_entry for nested in compiled.nested_types)


@pytest.mark.parametrize("enum", FACTS["enums"])
def test_each_enum_has_its_values(enum: str) -> None:
    assert {value.name: value.number for value in enums()[enum].values} == FACTS["enums"][enum]


def test_the_counts_are_those_of_the_table() -> None:
    counts = FACTS["counts"]
    assert {name: len(service.methods) for name, service in FILE.services_by_name.items()} == counts["methods"]
    assert len(FILE.message_types_by_name) == counts["messages"]
    assert len(fields()) == counts["fields"]
    assert sum(is_map(field) for field in fields()) == counts["map_fields"]
    assert len(enums()) == counts["enums"]
    assert sum(len(enum.values) for enum in enums().values()) == counts["enum_values"]


def test_every_service_rpc_message_and_enum_is_explained() -> None:
    lines = (ROOT / "proto" / "cri.proto").read_text().splitlines()
    starts = ("service ", "message ", "enum ", "rpc ")
    bare = [
        line
        for before, line in pairwise(lines)
        if line.strip().startswith(starts) and not before.strip().startswith("//")
    ]
    assert bare == []


def test_make_proto_reproduces_the_committed_files(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copytree(ROOT / "proto", tmp_path / "proto")
    (tmp_path / "kubeletsim" / "pb").mkdir(parents=True)
    dev = f"{sys.prefix}/.dev"
    made = subprocess.run(
        ["make", "proto", f"VENV={sys.prefix}", "-o", dev],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    names = [f"cri_pb2{suffix}" for suffix in (".py", ".pyi", "_grpc.py", "_grpc.pyi")]
    _, changed, missing = filecmp.cmpfiles(
        ROOT / "kubeletsim" / "pb", tmp_path / "kubeletsim" / "pb", names, shallow=False
    )
    assert (changed, missing) == ([], []), "run `make proto` and commit what it makes"


def fields() -> list[FieldDescriptor]:
    return [field for message in FILE.message_types_by_name.values() for field in message.fields]


def facts_of(field: FieldDescriptor) -> dict[str, Any]:
    """Describe a compiled field in the table's words."""
    facts: dict[str, Any] = {"name": field.name, "number": field.number}
    if is_map(field):
        key, value = field.message_type.fields
        facts |= {"type": "map", "label": "map", "key_type": SCALARS[key.type], "value_type": SCALARS[value.type]}
    else:
        facts |= {"type": SCALARS[field.type], "label": "repeated" if field.is_repeated else "optional"}
        if (named := field.message_type or field.enum_type) is not None:
            facts["type_name"] = _short(named)
    if field.GetOptions().deprecated:
        facts["deprecated"] = True
    return facts


def is_map(field: FieldDescriptor) -> bool:
    return bool(field.message_type and field.message_type.GetOptions().map_entry)


def by_name(items: list[dict[str, Any]], key: str) -> dict[str, dict[str, Any]]:
    found = {item[key]: item for item in items}
    assert len(found) == len(items)
    return found


def _short(named: Descriptor | EnumDescriptor) -> str:
    return str(named.full_name).removeprefix(f"{FILE.package}.")
