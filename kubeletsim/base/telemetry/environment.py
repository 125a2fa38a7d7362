"""The OTEL_* environment variables that a kubelet honours, read once into plain values.

The environment is a mapping, complaints are collected as text and left to the caller. A value that cannot be
used costs a warning and falls back to the default, as in the Go SDK. The one exception is TLS: where somebody
asked for it and the files cannot be read, Go warns and goes on in plaintext, which would give away the headers;
here it is an error. Upstream: otlptracegrpc's internal/otlpconfig/envconfig.go and sdk/trace/span_limits.go.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

DEFAULT_TARGET = "localhost:4317"
_TARGET_SCHEMES = ("dns", "unix", "unix-abstract")
_METADATA_KEY = re.compile(r"[0-9a-z_.-]+")


class TelemetrySettingsError(ValueError):
    """Tracing was configured in a way that cannot work: the program should not start."""


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """How ended spans are gathered.

    Upstream's queue holds 2048 spans and loses the rest of a burst. Spans wait here in their encoded form, some
    250 to 400 bytes each, so there is room for 65,536 of them and at most 32 MiB.
    """

    max_queue_size: int = 65_536
    max_queue_bytes: int = 32 << 20
    max_batch_size: int = 512
    schedule_delay_seconds: float = 5.0
    export_timeout_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class TLSMaterial:
    """PEM contents for a TLS channel; None stands for gRPC's own roots, or for no client certificate."""

    root_certificates: bytes | None = None
    certificate_chain: bytes | None = None
    private_key: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ExporterSettings:
    """Where and how spans are sent; `tls` None means plaintext."""

    target: str = DEFAULT_TARGET
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    gzip: bool = False
    timeout_seconds: float = 10.0
    tls: TLSMaterial | None = None


@dataclass(frozen=True, slots=True)
class SpanLimitSettings:
    """The SDK's limits per span; None means no limit. Defaults as in the Go SDK."""

    attribute_count: int | None = 128
    attribute_length: int | None = None
    event_count: int | None = 128
    link_count: int | None = 128
    attributes_per_event: int | None = 128
    attributes_per_link: int | None = 128


@dataclass(slots=True)
class OtelEnvironment:
    """A reader of OTEL_* variables that remembers what it could not use."""

    environ: Mapping[str, str]
    warnings: list[str] = field(default_factory=list)

    def exporter(self, endpoint: str | None) -> ExporterSettings:
        """Return the exporter's settings; `endpoint` of the configuration file wins over the environment's."""
        return ExporterSettings(
            target=endpoint or self._target(),
            headers=self._headers(),
            gzip=self._gzip(),
            timeout_seconds=self._timeout_seconds(),
            tls=self._tls(),
        )

    def batch(self) -> BatchSettings:
        """Return the batch processor's settings; a batch is never larger than the queue."""
        default = BatchSettings()
        queue = self._positive("OTEL_BSP_MAX_QUEUE_SIZE", default.max_queue_size)
        batch = self._positive("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", default.max_batch_size)
        delay = self._positive("OTEL_BSP_SCHEDULE_DELAY", int(default.schedule_delay_seconds * 1000))
        timeout = self._positive("OTEL_BSP_EXPORT_TIMEOUT", int(default.export_timeout_seconds * 1000))
        return BatchSettings(
            max_queue_size=queue,
            max_batch_size=batch if batch <= queue else min(default.max_batch_size, queue),
            schedule_delay_seconds=delay / 1000,
            export_timeout_seconds=timeout / 1000,
        )

    def span_limits(self) -> SpanLimitSettings:
        """Return the span limits: span forms before the general ones, a negative number lifts a limit (Go's rules)."""
        return SpanLimitSettings(
            attribute_count=self._limit(128, "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"),
            attribute_length=self._limit(
                None, "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"
            ),
            event_count=self._limit(128, "OTEL_SPAN_EVENT_COUNT_LIMIT"),
            link_count=self._limit(128, "OTEL_SPAN_LINK_COUNT_LIMIT"),
            attributes_per_event=self._limit(128, "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT"),
            attributes_per_link=self._limit(128, "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT"),
        )

    def resource(self) -> dict[str, str]:
        """Return OTEL_RESOURCE_ATTRIBUTES with percent signs decoded; OTEL_SERVICE_NAME beats its service.name."""
        attributes: dict[str, str] = {}
        for item in filter(None, map(str.strip, self._get("OTEL_RESOURCE_ATTRIBUTES").split(","))):
            key, equals, value = item.partition("=")
            if equals and key.strip():
                attributes[key.strip()] = unquote(value.strip())
            else:
                self._complain("OTEL_RESOURCE_ATTRIBUTES", item, "want key=value; this part is ignored")
        if name := self._get("OTEL_SERVICE_NAME"):
            attributes["service.name"] = name
        return attributes

    def _get(self, name: str) -> str:
        return self.environ.get(name, "").strip()  # empty is as good as unset

    def _otlp(self, suffix: str) -> tuple[str, str]:
        """Return name and value of an exporter variable; the form for traces wins over the general one."""
        for name in (f"OTEL_EXPORTER_OTLP_TRACES_{suffix}", f"OTEL_EXPORTER_OTLP_{suffix}"):
            if value := self._get(name):
                return name, value
        return f"OTEL_EXPORTER_OTLP_{suffix}", ""

    def _complain(self, name: str, value: str, what: str) -> None:
        self.warnings.append(f"{name}={value!r}: {what}")

    def _target(self) -> str:
        """Return the gRPC target of the endpoint variables: host and path of a URL; other forms as they are."""
        name, text = self._otlp("ENDPOINT")
        if not text or "://" not in text or text.split(":", 1)[0].lower() in _TARGET_SCHEMES:
            return text or DEFAULT_TARGET
        try:
            url = urlsplit(text)
            _ = url.port  # raises for a port that is no number
        except ValueError as e:
            self._complain(name, text, f"not a URL ({e}); using {DEFAULT_TARGET}")
            return DEFAULT_TARGET
        if not url.hostname:
            self._complain(name, text, f"names no host; using {DEFAULT_TARGET}")
            return DEFAULT_TARGET
        return url.netloc.rpartition("@")[2] + url.path.rstrip("/")

    def _headers(self) -> tuple[tuple[str, str], ...]:
        """Return the headers as gRPC metadata; values are never quoted in a warning, they are often secrets."""
        name, text = self._otlp("HEADERS")
        headers: dict[str, str] = {}
        for item in filter(None, map(str.strip, text.split(","))):
            key, equals, value = item.partition("=")
            key, value = key.strip().lower(), unquote(value.strip())
            if not equals or not _METADATA_KEY.fullmatch(key) or key.startswith("grpc-"):
                self.warnings.append(f"{name}: {key!r} is not a header (want key=value,...); it is not sent")
            elif not value.isascii() or not value.isprintable():
                self.warnings.append(f"{name}: the value of {key!r} is not printable ASCII; it is not sent")
            else:
                headers[key] = value
        return tuple(headers.items())

    def _gzip(self) -> bool:
        name, text = self._otlp("COMPRESSION")
        if text not in ("", "gzip", "none"):
            self._complain(name, text, "want gzip or none; using none")
        return text == "gzip"

    def _timeout_seconds(self) -> float:
        default = ExporterSettings().timeout_seconds
        name, text = self._otlp("TIMEOUT")
        return self._positive(name, int(default * 1000)) / 1000 if text else default

    def _tls(self) -> TLSMaterial | None:
        """Return TLS material when the environment names certificates; they outrank the forced plaintext."""
        roots_name, roots = self._otlp("CERTIFICATE")
        certificate_name, certificate = self._otlp("CLIENT_CERTIFICATE")
        key_name, key = self._otlp("CLIENT_KEY")
        if bool(certificate) != bool(key):
            self.warnings.append(f"{certificate_name} and {key_name} count only together; the one is ignored")
            certificate = key = ""
        if not roots and not certificate:
            return None
        return TLSMaterial(
            root_certificates=_read_pem(roots_name, roots),
            certificate_chain=_read_pem(certificate_name, certificate),
            private_key=_read_pem(key_name, key),
        )

    def _integer(self, name: str, *, want: str, default: object) -> int | None:
        """Return a variable as an integer; None when it is unset or no integer."""
        text = self._get(name)
        if not text:
            return None
        try:
            return int(text)
        except ValueError:
            self._complain(name, text, f"want {want}; using {default}")
            return None

    def _positive(self, name: str, default: int) -> int:
        want = "a whole number above 0"
        value = self._integer(name, want=want, default=default)
        if value is None:
            return default
        if value <= 0:
            self._complain(name, str(value), f"want {want}; using {default}")
            return default
        return value

    def _limit(self, default: int | None, *names: str) -> int | None:
        for name in names:
            if self._get(name):
                shown = "no limit" if default is None else default
                value = self._integer(name, want="a whole number", default=shown)
                return default if value is None else value if value >= 0 else None
        return default


def _read_pem(name: str, path: str) -> bytes | None:
    if not path:
        return None
    try:
        content = Path(path).read_bytes()
    except OSError as e:
        raise TelemetrySettingsError(f"{name}: cannot read {path}: {e.strerror}") from e
    if b"-----BEGIN " not in content:
        raise TelemetrySettingsError(f"{name}: {path} holds no PEM block")
    return content
