"""Claims about OTEL_* variables: which of two wins, what each form means, and what happens to nonsense."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeletsim.base.telemetry.environment import (
    BatchSettings,
    OtelEnvironment,
    SpanLimitSettings,
    TelemetrySettingsError,
)

ENDPOINT, TRACES_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"


@pytest.mark.parametrize(
    ("file", "environ", "target"),
    [
        pytest.param(None, {}, "localhost:4317", id="nothing set: the exporter's default"),
        pytest.param("", {}, "localhost:4317", id="empty in the file: as unset"),
        pytest.param("a:1", {ENDPOINT: "http://b:2", TRACES_ENDPOINT: "http://c:3"}, "a:1", id="the file wins"),
        pytest.param(None, {ENDPOINT: "http://b:2", TRACES_ENDPOINT: "http://c:3"}, "c:3", id="traces form wins"),
        pytest.param(None, {ENDPOINT: "http://b:2", TRACES_ENDPOINT: " "}, "b:2", id="blank is unset"),
        pytest.param(None, {ENDPOINT: "https://b:2"}, "b:2", id="the scheme means nothing"),
        pytest.param(None, {ENDPOINT: "http://b:2/"}, "b:2", id="a bare slash goes"),
        pytest.param(None, {ENDPOINT: "http://b:2/base"}, "b:2/base", id="host and path"),
        pytest.param(None, {ENDPOINT: "http://me:secret@b:2"}, "b:2", id="no credentials in a target"),
        pytest.param(None, {ENDPOINT: "http://[::1]:2"}, "[::1]:2", id="IPv6"),
        pytest.param(None, {ENDPOINT: "b:2"}, "b:2", id="not a URL: a target"),
        pytest.param(None, {ENDPOINT: "unix:///run/otlp.sock"}, "unix:///run/otlp.sock", id="unix"),
        pytest.param(None, {ENDPOINT: "dns:///b:2"}, "dns:///b:2", id="dns"),
    ],
)
def test_the_endpoint_comes_from_the_file_then_the_traces_form_then_the_general_one(
    file: str | None, environ: dict[str, str], target: str
) -> None:
    environment = OtelEnvironment(environ)

    assert environment.exporter(file).target == target
    assert not environment.warnings


@pytest.mark.parametrize("url", ["http://", "http://b:port", "http://[::1"])
def test_an_endpoint_that_is_no_url_is_named_and_the_default_used(url: str) -> None:
    environment = OtelEnvironment({TRACES_ENDPOINT: url})

    assert environment.exporter(None).target == "localhost:4317"
    assert environment.warnings[0].startswith(f"{TRACES_ENDPOINT}={url!r}: ")


def test_headers_of_the_traces_form_replace_the_general_ones() -> None:
    environment = OtelEnvironment({
        "OTEL_EXPORTER_OTLP_HEADERS": "x-general=1",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "Authorization=Bearer%20abc%3D, x-tenant = two ",
    })  # fmt: skip

    assert environment.exporter(None).headers == (("authorization", "Bearer abc="), ("x-tenant", "two"))
    assert not environment.warnings


@pytest.mark.parametrize("item", ["novalue", "=v", "sp ace=v", "grpc-timeout=v", "k=%00", "k=caf%C3%A9"])
def test_a_header_that_cannot_be_sent_is_named_without_its_value(item: str) -> None:
    environment = OtelEnvironment({"OTEL_EXPORTER_OTLP_HEADERS": f"good=1,{item}"})

    assert environment.exporter(None).headers == (("good", "1"),)
    assert len(environment.warnings) == 1
    assert "caf" not in environment.warnings[0]


@pytest.mark.parametrize(
    ("environ", "gzip", "warnings"),
    [
        pytest.param({}, False, 0, id="none by default"),
        pytest.param({"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"}, True, 0, id="general"),
        pytest.param(
            {"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip", "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION": "none"},
            False,
            0,
            id="traces form wins",
        ),
        pytest.param({"OTEL_EXPORTER_OTLP_COMPRESSION": "zstd"}, False, 1, id="unknown"),
    ],
)
def test_compression_is_gzip_or_none(environ: dict[str, str], gzip: bool, warnings: int) -> None:
    environment = OtelEnvironment(environ)

    assert environment.exporter(None).gzip is gzip
    assert len(environment.warnings) == warnings


@pytest.mark.parametrize(
    ("environ", "seconds", "warnings"),
    [
        pytest.param({}, 10.0, 0, id="default"),
        pytest.param({"OTEL_EXPORTER_OTLP_TIMEOUT": "2500"}, 2.5, 0, id="milliseconds"),
        pytest.param(
            {"OTEL_EXPORTER_OTLP_TIMEOUT": "2500", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "500"}, 0.5, 0, id="traces"
        ),
        pytest.param({"OTEL_EXPORTER_OTLP_TIMEOUT": "5s"}, 10.0, 1, id="not a number"),
        pytest.param({"OTEL_EXPORTER_OTLP_TIMEOUT": "-1"}, 10.0, 1, id="negative"),
    ],
)
def test_the_timeout_is_in_milliseconds(environ: dict[str, str], seconds: float, warnings: int) -> None:
    environment = OtelEnvironment(environ)

    assert environment.exporter(None).timeout_seconds == seconds
    assert len(environment.warnings) == warnings


@given(st.dictionaries(st.sampled_from(["INSECURE", "TRACES_INSECURE", "PROTOCOL"]), st.sampled_from(["true", "x"])))
def test_variables_a_kubelet_does_not_read_change_nothing(chosen: dict[str, str]) -> None:
    ignored = {f"OTEL_EXPORTER_OTLP_{name}": value for name, value in chosen.items()}
    ignored |= {"OTEL_TRACES_SAMPLER": "nonsense", "OTEL_SDK_DISABLED": "true", "OTEL_PROPAGATORS": "b3"}
    environment = OtelEnvironment(ignored)

    assert environment.exporter(None) == OtelEnvironment({}).exporter(None)
    assert not environment.warnings


def test_the_batch_processor_takes_its_four_variables() -> None:
    environment = OtelEnvironment({
        "OTEL_BSP_MAX_QUEUE_SIZE": "100",
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "50",
        "OTEL_BSP_SCHEDULE_DELAY": "20",
        "OTEL_BSP_EXPORT_TIMEOUT": "3000",
    })  # fmt: skip

    assert environment.batch() == BatchSettings(
        max_queue_size=100, max_batch_size=50, schedule_delay_seconds=0.02, export_timeout_seconds=3.0
    )


def test_a_batch_larger_than_the_queue_is_cut_as_in_go() -> None:
    assert OtelEnvironment({"OTEL_BSP_MAX_QUEUE_SIZE": "100"}).batch().max_batch_size == 100
    larger = {"OTEL_BSP_MAX_QUEUE_SIZE": "1000", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "5000"}
    assert OtelEnvironment(larger).batch().max_batch_size == 512


@pytest.mark.parametrize("value", ["many", "1.5", "0", "-3"])
def test_a_queue_size_that_is_no_size_is_named_and_the_default_used(value: str) -> None:
    environment = OtelEnvironment({"OTEL_BSP_MAX_QUEUE_SIZE": value})

    assert environment.batch() == BatchSettings()
    assert environment.warnings == [
        f"OTEL_BSP_MAX_QUEUE_SIZE={value!r}: want a whole number above 0; using 65536",
    ]


def test_span_limits_prefer_the_span_form_and_a_negative_number_lifts_them() -> None:
    environment = OtelEnvironment({
        "OTEL_ATTRIBUTE_COUNT_LIMIT": "7",
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "9",
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "11",
        "OTEL_SPAN_EVENT_COUNT_LIMIT": "-1",
        "OTEL_SPAN_LINK_COUNT_LIMIT": "three",
        "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT": "1",
        "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT": "2",
    })  # fmt: skip

    assert environment.span_limits() == SpanLimitSettings(
        attribute_count=9,
        attribute_length=11,
        event_count=None,
        link_count=128,
        attributes_per_event=1,
        attributes_per_link=2,
    )
    assert environment.warnings == ["OTEL_SPAN_LINK_COUNT_LIMIT='three': want a whole number; using 128"]


def test_resource_attributes_are_percent_decoded_and_the_service_name_wins() -> None:
    environment = OtelEnvironment({
        "OTEL_RESOURCE_ATTRIBUTES": "team=a%2Cb, zone = eu ,service.name=x,nonsense",
        "OTEL_SERVICE_NAME": "y",
    })  # fmt: skip

    assert environment.resource() == {"team": "a,b", "zone": "eu", "service.name": "y"}
    assert environment.warnings == [
        "OTEL_RESOURCE_ATTRIBUTES='nonsense': want key=value; this part is ignored",
    ]


@given(st.dictionaries(st.text(max_size=5).map("OTEL_".__add__), st.text(max_size=20)), st.text(max_size=30))
def test_no_text_in_any_variable_stops_the_program(extra: dict[str, str], text: str) -> None:
    names = [ENDPOINT, "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_EXPORTER_OTLP_COMPRESSION"]
    names += ["OTEL_BSP_SCHEDULE_DELAY", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_SPAN_EVENT_COUNT_LIMIT"]
    environment = OtelEnvironment(extra | dict.fromkeys(names, text))

    environment.exporter(None)
    environment.batch()
    environment.resource()
    environment.span_limits()


def test_a_certificate_that_cannot_be_read_is_an_error_that_names_the_variable(tmp_path: Path) -> None:
    environment = OtelEnvironment({"OTEL_EXPORTER_OTLP_CERTIFICATE": str(tmp_path / "none.pem")})

    with pytest.raises(TelemetrySettingsError, match=r"OTEL_EXPORTER_OTLP_CERTIFICATE: cannot read .*none\.pem"):
        environment.exporter(None)


def test_a_certificate_file_without_pem_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("hello")
    environment = OtelEnvironment({"OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE": str(tmp_path / "ca.pem")})

    with pytest.raises(TelemetrySettingsError, match="holds no PEM block"):
        environment.exporter(None)


def test_a_client_certificate_without_its_key_is_ignored_with_a_warning(tmp_path: Path) -> None:
    environment = OtelEnvironment({"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": str(tmp_path / "none.pem")})

    assert environment.exporter(None).tls is None
    assert len(environment.warnings) == 1


def test_settings_do_not_show_secrets_when_printed() -> None:
    settings = OtelEnvironment({"OTEL_EXPORTER_OTLP_HEADERS": "authorization=hunter2"}).exporter(None)

    assert "hunter2" not in repr(settings)
