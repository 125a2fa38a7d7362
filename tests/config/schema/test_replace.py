import pytest

from kubeletsim.config.schema.kubelet import KubeletConfiguration
from kubeletsim.config.schema.replace import field_name, replaced, value_at


@pytest.mark.parametrize(
    ("path", "value"),
    [("port", 1), ("authentication.anonymous.enabled", True), ("logging.options.json.splitStream", True)],
)
def test_one_value_changes_and_the_original_stays(path: str, value: object) -> None:
    config = KubeletConfiguration.model_validate({})
    changed = replaced(config, path, value)
    assert value_at(changed, path) == value
    assert value_at(config, path) != value
    assert replaced(changed, path, value_at(config, path)) == config


def test_a_key_that_means_something_to_python_has_another_attribute() -> None:
    from kubeletsim.config.schema.structs import FormatOptions

    assert field_name(FormatOptions, "json") == "json_"
    assert field_name(FormatOptions, "text") == "text"
