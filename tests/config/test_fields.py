"""Every row of the facts table about KubeletConfiguration, held against the schema.

`fields.yaml` beside this file is the project's own table of Kubernetes 1.36.2; its columns are explained there.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic.fields import FieldInfo

from kubeletsim.base.duration import Duration
from kubeletsim.config.decode import decode
from kubeletsim.config.documentation import Documentation
from kubeletsim.config.flags import FLAGS
from kubeletsim.config.schema.defaults import EVICTION_HARD, FLAG_BASELINE, with_dependent_defaults
from kubeletsim.config.schema.encode import encode, encode_value
from kubeletsim.config.schema.gates import KNOWN_GATES, FeatureGates, Maturity
from kubeletsim.config.schema.kubelet import API_VERSION, KIND, KubeletConfiguration
from kubeletsim.config.schema.replace import field_name
from kubeletsim.config.schema.types import Struct, Zero, struct_of
from kubeletsim.config.schema.validation import HostFacts, advise, check_startup, validate
from kubeletsim.model.errors import Fault
from kubeletsim.model.quantity import Quantity

TABLE = yaml.safe_load((Path(__file__).parent / "fields.yaml").read_text())
ROWS: list[dict[str, Any]] = TABLE["fields"]
ZEROS = {"string": "", "int32": 0, "int64": 0, "duration": "0s", "bool": False, "float": 0.0, "list": [], "map": {}}
PYTHON_TYPES = {
    "string": (str, Quantity),
    "bool": (bool,),
    "int32": (int,),
    "int64": (int,),
    "float": (float,),
    "duration": (Duration,),
    "map": (dict,),
    "list": (tuple,),
}


def rows(*columns: str) -> Any:
    """Parametrize a test with the rows that have all the columns."""
    chosen = [row for row in ROWS if all(column in row for column in columns)]
    assert chosen
    return pytest.mark.parametrize("row", chosen, ids=lambda row: row["path"])


def keys(path: str) -> list[str]:
    return path.replace("[]", "").split(".")


@cache
def field_docs() -> dict[str, str]:
    return Documentation().of_fields(KubeletConfiguration)


@cache
def find_field(path: str) -> tuple[type[Struct], FieldInfo, str]:
    """Return the struct of a field, the field, and the attribute's name."""
    struct: type[Struct] = KubeletConfiguration
    *outer, last = keys(path)
    for key in outer:
        inner = struct_of(struct.model_fields[field_name(struct, key)])
        assert inner is not None
        struct = inner
    return struct, struct.model_fields[field_name(struct, last)], field_name(struct, last)


def document_with(path: str, value: Any) -> dict[str, Any]:
    """Return a document that gives nothing but this field."""
    document = value
    for part in reversed(path.split(".")):
        document = {part.removesuffix("[]"): [document] if part.endswith("[]") else document}
    return {"apiVersion": API_VERSION, "kind": KIND, **document}


def config_with(path: str, value: Any) -> KubeletConfiguration:
    decoded = decode(document_with(path, value))
    assert not decoded.unknown
    assert not decoded.faults, decoded.faults
    return with_dependent_defaults(decoded.config)


def value_in(config: KubeletConfiguration, path: str) -> Any:
    """Return the value of a field; the first item's for a list."""
    value: Any = config
    for part in path.split("."):
        value = getattr(value, field_name(value, part.removesuffix("[]")))
        value = value[0] if part.endswith("[]") else value
    return value


def faults_of(config: KubeletConfiguration) -> list[Fault]:
    return [*validate(config, host=HostFacts()), *check_startup(config), *advise(config)]


def faults_at(config: KubeletConfiguration, path: str) -> list[Fault]:
    here = path.replace("[]", "[0]")
    return [fault for fault in faults_of(config) if fault.path == here or fault.path.startswith(f"{here}[")]


def test_the_schema_has_the_fields_of_the_table_in_its_order_and_no_others() -> None:
    def paths(struct: type[Struct], prefix: str) -> Iterator[str]:
        for name, field in struct.model_fields.items():
            path = f"{prefix}{field.alias or name}"
            yield path
            if inner := struct_of(field):
                yield from paths(inner, f"{path}{'[]' if get_origin(field.annotation) is tuple else ''}.")

    in_table = [row["path"] for row in ROWS]
    # Go writes kind before apiVersion, the table lists them the other way round.
    assert list(paths(KubeletConfiguration, "")) == ["kind", "apiVersion", *in_table[2:]]


@rows("path")
def test_each_field_has_the_type_of_the_table(row: dict[str, Any]) -> None:
    _, field, _ = find_field(row["path"])
    annotation = field.annotation
    inner = [part for part in get_args(annotation) if part is not type(None)]
    if type(None) in get_args(annotation):
        assert row["default"] is None or "KubeletCrashLoopBackOffMax" in str(row) or row["type"] == "float"
        annotation = get_args(inner[0])[0] if hasattr(inner[0], "__metadata__") else inner[0]
    if row["type"] == "object":
        assert struct_of(field)
    else:
        assert (get_origin(annotation) or annotation) in PYTHON_TYPES[row["type"]]
    if row.get("items") == "object":
        assert struct_of(field)


@rows("path")
def test_each_field_is_documented(row: dict[str, Any]) -> None:
    assert len(field_docs()[row["path"]]) > 10


@rows("path")
def test_each_field_has_the_default_of_the_table(row: dict[str, Any]) -> None:
    struct, _, name = find_field(row["path"])
    value = getattr(struct.model_validate({}), name)
    expected = row["default"] if row["default"] is not None else row.get("unset")
    if "null acts as false" in row.get("note", ""):
        expected = False
    if row["type"] == "object" and expected == {}:
        assert isinstance(value, Struct)
    elif row["type"] == "duration":
        assert value == Duration.parse(expected)
    else:
        assert encode_value(value) == expected


@rows("pointer")
def test_an_explicit_zero_of_a_pointer_is_kept_and_printed(row: dict[str, Any]) -> None:
    zero = {} if row["type"] == "object" else ZEROS.get(row["type"], "")
    _, field, _ = find_field(row["path"])
    assert Zero.KEPT in field.metadata
    config = config_with(row["path"], zero)
    assert encode_value(value_in(config, row["path"])) == zero
    printed: Any = encode(config)
    for part in row["path"].split("."):
        printed = printed[part.removesuffix("[]")]
        printed = printed[0] if part.endswith("[]") else printed
    assert printed == zero


@rows("zero_means_default")
def test_an_explicit_zero_of_other_fields_means_the_default(row: dict[str, Any]) -> None:
    _, field, _ = find_field(row["path"])
    if row["type"] == "string" and field.annotation is Quantity:
        return  # its zero is its default, "0"
    config = config_with(row["path"], ZEROS[row["type"]])
    assert value_in(config, row["path"]) == field.default


@rows("path")
def test_null_means_that_a_field_is_absent(row: dict[str, Any]) -> None:
    struct, _, name = find_field(row["path"])
    config = config_with(row["path"], None)
    assert value_in(config, row["path"]) == getattr(struct.model_validate({}), name)


@rows("allowed")
def test_a_value_outside_the_allowed_set_is_named(row: dict[str, Any]) -> None:
    path = row["path"]
    is_list = row["type"] == "list"
    for allowed in row["allowed"]:
        assert not [
            fault
            for fault in faults_at(config_with(path, [allowed] if is_list else allowed), path)
            if "must be one of" in fault.rule
        ]
    config = config_with(path, ["foreign"] if is_list else "foreign")
    assert [fault.value for fault in faults_at(config, path)] == ["foreign"]


def bounds(row: dict[str, Any]) -> tuple[Any, Any, bool]:
    """Return the ends of a range, None where it is open, and whether the lower end itself is excluded."""

    def read(text: str) -> Any:
        return Duration.parse(text) if row["type"] == "duration" else float(text) if "." in text else int(text)

    text = row["range"]
    if ".." in text:
        low, high = text.split("..")
        return read(low), read(high), False
    low = re.search(r">=? ([-\w.]+)", text)
    high = re.search(r"<= ([\w.]+)", text)
    return read(low[1]) if low else None, read(high[1]) if high else None, ">=" not in text


def step(row: dict[str, Any]) -> Any:
    return Duration(1) if row["type"] == "duration" else 0.001 if row["type"] == "float" else 1


def moved(value: Any, by: Any, sign: int) -> Any:
    return Duration(value.nanoseconds + sign * by.nanoseconds) if isinstance(value, Duration) else value + sign * by


def range_faults(row: dict[str, Any], value: Any) -> list[Fault]:
    shown = str(value) if isinstance(value, Duration) else value
    found = faults_at(config_with(row["path"], shown), row["path"])
    words = ("must be between", "must be at least", "must be greater than", "must be at most", "must be 1 or absent")
    return [fault for fault in found if fault.rule.startswith(words[:4])]


@rows("range")
def test_the_ends_of_a_range_are_allowed_and_their_neighbours_outside_are_not(row: dict[str, Any]) -> None:
    low, high, excluded = bounds(row)
    first = moved(low, step(row), 1) if excluded else low
    assert not range_faults(row, first)
    below = moved(first, step(row), -1)
    if row.get("zero_means_default") and not below:
        below = moved(below, step(row), -1)
    assert len(range_faults(row, below)) == 1
    if high is not None:
        assert not range_faults(row, high)
        if row["path"] != "logging.verbosity":  # the table's end is the type's, more does not decode
            assert len(range_faults(row, moved(high, step(row), 1))) == 1


@given(st.sampled_from([row for row in ROWS if "range" in row]), st.data())
def test_every_value_inside_a_range_is_allowed_and_every_one_outside_is_not(
    row: dict[str, Any], data: st.DataObject
) -> None:
    low, high, excluded = bounds(row)
    widest = 2**63 - 1 if row["type"] in ("int64", "duration") else 2**31 - 1
    if row["type"] == "float":
        value: Any = data.draw(st.floats(-2, 2))
    else:
        value = data.draw(st.integers(-widest, widest) | st.integers(-5, 5))
        value = Duration(value) if row["type"] == "duration" else value
    if row.get("zero_means_default") and not value:
        return
    inside = (value > low if excluded else value >= low) and (high is None or value <= high)
    assert bool(range_faults(row, value)) is not inside


@rows("flag")
def test_each_flag_of_the_table_overrides_its_field(row: dict[str, Any]) -> None:
    flag = FLAGS[row["flag"]]
    if row["flag"] == "seccomp-default":
        assert flag.attribute == "seccomp_default"  # a flag of its own, ORed with the field
        return
    assert flag.path == row["path"]
    assert flag.deprecated is (row["flag"] not in TABLE["flags"]["not_deprecated"])


def test_no_other_flag_overrides_a_field() -> None:
    in_table = {row["flag"] for row in ROWS if "flag" in row}
    assert {flag.name for flag in FLAGS.values() if flag.path} <= in_table


def test_the_flags_without_a_field_have_the_defaults_of_the_table() -> None:
    from kubeletsim.config.flags import parse_flags

    flags = parse_flags([]).kubelet
    expected = TABLE["flags"]["other_relevant"]
    assert str(flags.root_dir) == expected["root-dir"]
    assert str(flags.cert_dir) == expected["cert-dir"]
    assert flags.maximum_dead_containers_per_container == expected["maximum-dead-containers-per-container"]
    assert flags.maximum_dead_containers == expected["maximum-dead-containers"]
    assert str(flags.minimum_container_ttl_duration) == expected["minimum-container-ttl-duration"]
    assert flags.kubeconfig is None


def test_the_baseline_without_a_file_and_the_eviction_defaults_are_those_of_the_table() -> None:
    baseline = {key: value for key, value in TABLE["flags"]["flag_only_baseline"].items() if key != "when"}
    assert dict(FLAG_BASELINE) == baseline
    assert dict(EVICTION_HARD) == TABLE["eviction_hard_defaults"]["linux"]


@pytest.mark.parametrize("row", TABLE["feature_gates"], ids=lambda row: row["name"])
def test_each_feature_gate_has_the_state_of_the_table(row: dict[str, Any]) -> None:
    gate = KNOWN_GATES[row["name"]]
    assert (gate.default, gate.locked) == (row["default"], row["locked"])
    assert gate.maturity is Maturity(row["stage"])
    assert FeatureGates({}).enabled(row["name"]) is row["default"]


@rows("gate")
def test_each_gate_a_field_depends_on_is_known(row: dict[str, Any]) -> None:
    assert row["gate"] in KNOWN_GATES


@rows("deprecated")
def test_fields_without_effect_say_so(row: dict[str, Any]) -> None:
    assert re.search(r"[Ww]ithout effect|Removed", field_docs()[row["path"]])
