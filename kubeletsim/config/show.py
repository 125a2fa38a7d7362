"""The effective configuration for people and programs: as /configz prints it, as YAML; and its JSON Schema for editors.

Upstream: `staging/src/k8s.io/component-base/configz`.
"""

from collections.abc import Iterator
from typing import Any

from kubeletsim.config.schema.encode import encode, encode_value
from kubeletsim.config.schema.kubelet import KIND, KubeletConfiguration
from kubeletsim.config.schema.types import Struct, struct_of

CONFIGZ_KEY = "kubeletconfig"


def to_configz(config: KubeletConfiguration) -> dict[str, Any]:
    """Return what GET /configz answers: the v1beta1 document, durations as Go's texts, zeros left out as Go does."""
    return {CONFIGZ_KEY: encode(config)}


def to_yaml(config: KubeletConfiguration) -> str:
    """Return a configuration as a file that loads as the same configuration again."""
    import yaml

    from kubeletsim.base.go_yaml import GoDumper

    return yaml.dump(encode(config), Dumper=GoDumper, sort_keys=False, allow_unicode=True)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a configuration file: types, bounds, defaults, and what each field is for."""
    from pydantic.json_schema import GenerateJsonSchema

    from kubeletsim.config.documentation import Documentation

    class Generator(GenerateJsonSchema):
        """Leaves defaults to us: only `encode` knows how Go writes them."""

        def default_schema(self, schema: Any) -> Any:
            return self.generate_inner(schema["schema"])

    documentation = Documentation()
    schema = KubeletConfiguration.model_json_schema(schema_generator=Generator)
    for struct in _structs(KubeletConfiguration):
        target = schema if struct is KubeletConfiguration else schema["$defs"][struct.__name__]
        docs = documentation.of_attributes(struct)
        defaults = struct.model_validate({})
        for name, field in struct.model_fields.items():
            key = field.alias or name
            described = target["properties"][key]
            described.pop("title", None)
            described["description"] = docs[name]
            default = getattr(defaults, name)
            if struct_of(field) is None and default is not None:
                described["default"] = encode_value(default)
    schema["required"] = ["apiVersion", "kind"]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": KIND}


def _structs(struct: type[Struct]) -> Iterator[type[Struct]]:
    yield struct
    for field in struct.model_fields.values():
        if inner := struct_of(field):
            yield from _structs(inner)
