import json
from pathlib import Path
from typing import Any

import yaml

from kubeletsim.config.load import load
from kubeletsim.config.schema.defaults import flag_baseline
from kubeletsim.config.show import json_schema, to_configz, to_yaml

FIELDS = yaml.safe_load((Path(__file__).parent / "fields.yaml").read_text())["fields"]
SAMPLE = Path(__file__).parents[2] / "config" / "kubelet.yaml"


def test_configz_prints_what_a_kubelet_prints() -> None:
    configz = to_configz(flag_baseline())
    assert list(configz) == ["kubeletconfig"]
    document = configz["kubeletconfig"]
    assert list(document)[:3] == ["kind", "apiVersion", "enableServer"]
    assert document["syncFrequency"] == "1m0s"
    assert document["shutdownGracePeriod"] == "0s"
    assert document["memorySwap"] == {}
    assert document["authentication"]["x509"] == {}
    assert document["logging"] == {
        "format": "text",
        "flushFrequency": "5s",
        "verbosity": 0,
        "options": {"text": {"infoBufferSize": "0"}, "json": {"infoBufferSize": "0"}},
    }
    assert not {"staticPodPath", "tracing", "clusterDNS", "evictionHard", "rotateCertificates"} & set(document)
    json.dumps(configz)


def test_what_show_prints_loads_as_the_same_configuration(tmp_path: Path) -> None:
    shown = tmp_path / "shown.yaml"
    loaded = load(SAMPLE)
    shown.write_text(to_yaml(loaded.config))
    again = load(shown)
    assert to_configz(again.config) == to_configz(loaded.config)
    assert not again.warnings


def properties(schema: dict[str, Any], path: str) -> dict[str, Any]:
    """Return what the schema says about a field of the table."""
    at = schema
    for part in path.split("."):
        found = at["properties"][part.removesuffix("[]")]
        inner = found["items"] if part.endswith("[]") else found
        reference = inner.get("$ref") or next((one["$ref"] for one in inner.get("anyOf", []) if "$ref" in one), None)
        at = schema["$defs"][reference.rpartition("/")[2]] if reference else found
    described: dict[str, Any] = found
    return described


def test_the_json_schema_describes_every_field_of_the_table() -> None:
    schema = json_schema()
    json.dumps(schema)
    for row in FIELDS:
        described = properties(schema, row["path"])
        assert described["description"]
        if row["default"] is not None and row["type"] not in ("duration", "object"):
            assert described["default"] == row["default"]
        if "allowed" in row and row["type"] != "list":
            assert described["enum"] == row["allowed"]


def test_the_json_schema_knows_bounds_and_refuses_what_does_not_exist() -> None:
    schema = json_schema()
    assert schema["required"] == ["apiVersion", "kind"]
    assert schema["additionalProperties"] is False
    assert (schema["properties"]["port"]["minimum"], schema["properties"]["port"]["maximum"]) == (1, 65535)
    rate = schema["$defs"]["TracingConfiguration"]["properties"]["samplingRatePerMillion"]
    assert {"type": "integer", "minimum": 0, "maximum": 1_000_000} in rate["anyOf"]
    assert schema["properties"]["memoryThrottlingFactor"]["anyOf"][0]["exclusiveMinimum"] == 0
    assert schema["properties"]["syncFrequency"]["default"] == "1m0s"
