"""This module is how rules, durations and distributions are written down, in the file and in the control API alike.

Whatever is wrong is a `ValidationError` whose places are those of the text; `config_findings` words it. Imported only
by those who have a file or a control API: pydantic takes longer to load than the rest of the stub.
"""

import math
import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PlainValidator,
    PrivateAttr,
    model_validator,
)

from kubeletsim.base.duration import Duration
from kubeletsim.base.suggestion import did_you_mean
from runtime_stub.behaviour.distributions import (
    Bounded,
    Constant,
    Distribution,
    Exponential,
    LogNormal,
    Quantiles,
    Uniform,
)
from runtime_stub.behaviour.latency import Latency
from runtime_stub.behaviour.rules.rule import (
    START,
    Condition,
    Error,
    Fault,
    Globs,
    Hang,
    LostEvent,
    Occasion,
    Oversize,
    Place,
    Reset,
    Rule,
    Selector,
    Slowness,
)

PLACEHOLDERS = ("rpc", "id", "pod", "namespace", "container", "image")
"""What a message may mention in braces."""

_SHAPES = ("constant", "uniform", "lognormal", "quantiles", "exponential")
_BOUNDS = ("min", "max")
_QUANTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?)")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_RATE = re.compile(r"(\d+(?:\.\d+)?)(k|M|G|Ki|Mi|Gi|)")
_RATE_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}


class Part(BaseModel):
    """A part of the text: unknown fields are mistakes, and nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True)


def seconds_of(value: Any) -> float:
    """Return a duration in seconds: Go's spelling, or a number of milliseconds.

    Raises:
        ValueError: it is none, or negative.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("must be a duration such as 200ms or 1.5s")  # noqa: TRY004  # pydantic wants this type
    seconds = Duration.parse(value).seconds if isinstance(value, str) else value / 1000
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError("must be a duration of at least 0")
    return float(seconds)


def distribution_of(value: Any) -> Distribution:
    """Return a distribution: a duration, or a mapping with one shape and perhaps bounds.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, Mapping):
        return Constant(seconds_of(value))
    for key in value:
        if key not in (*_SHAPES, *_BOUNDS):
            raise ValueError(f"{key}: no such field{did_you_mean(str(key), (*_SHAPES, *_BOUNDS))}")
    shapes = [key for key in value if key in _SHAPES]
    if len(shapes) != 1:
        raise ValueError(f"must be a duration such as 200ms, or have exactly one of {', '.join(_SHAPES)}")
    (shape,) = shapes
    found: Distribution = _named(shape, lambda: _DISTRIBUTIONS[shape](value[shape]))
    if not any(bound in value for bound in _BOUNDS):
        return found
    least = _named("min", lambda: seconds_of(value.get("min", 0)))
    most = _named("max", lambda: seconds_of(value["max"])) if "max" in value else math.inf
    if least > most:
        raise ValueError("max: must not be less than min")
    return Bounded(found, least, most)


def latency_of(value: Any) -> Distribution:
    """Return the latency of a piece of work: a duration is the median of a measured one.

    Raises:
        ValueError: it is none.
    """
    return distribution_of(value) if isinstance(value, Mapping) else Latency(seconds_of(value) * 1000)


def _named(key: str, parse: Callable[[], Any]) -> Any:
    try:
        return parse()
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None


def _fields(value: Any, **wanted: Callable[[Any], Any]) -> dict[str, Any]:
    if not isinstance(value, Mapping) or set(value) != set(wanted):
        raise ValueError(f"must have the fields {' and '.join(wanted)}")
    return {key: _named(key, lambda key=key: wanted[key](value[key])) for key in wanted}  # type: ignore[misc]


def _uniform(value: Any) -> Distribution:
    bounds = _fields(value, min=seconds_of, max=seconds_of)
    if bounds["min"] > bounds["max"]:
        raise ValueError("max: must not be less than min")
    return Uniform(bounds["min"], bounds["max"])


def _lognormal(value: Any) -> Distribution:
    fields = _fields(value, median=seconds_of, sigma=_sigma)
    return LogNormal(fields["median"], fields["sigma"])


def _sigma(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 5:
        raise ValueError("must be a number between 0 and 5")
    return float(value)


def _exponential(value: Any) -> Distribution:
    return Exponential(_fields(value, mean=seconds_of)["mean"])


def _quantiles(value: Any) -> Distribution:
    if not isinstance(value, Mapping) or len(value) < 2:
        raise ValueError("must have at least two of p1 … p99.9, such as p50 and p99")
    points = sorted((_share(key), _named(str(key), lambda one=one: seconds_of(one))) for key, one in value.items())  # type: ignore[misc]
    if points[0][1] <= 0:
        raise ValueError("every quantile must be more than 0")
    if any(before[1] > after[1] for before, after in pairwise(points)):
        raise ValueError("a higher quantile must not be less than a lower one")
    return Quantiles.of(points)


def _share(key: Any) -> float:
    match = _QUANTILE.fullmatch(str(key))
    if match is None or not 0 < float(match[1]) < 100:
        raise ValueError(f"{key}: must be p1 … p99.9")
    return float(match[1]) / 100


_DISTRIBUTIONS: Mapping[str, Callable[[Any], Distribution]] = {
    "constant": lambda value: Constant(seconds_of(value)),
    "uniform": _uniform,
    "lognormal": _lognormal,
    "quantiles": _quantiles,
    "exponential": _exponential,
}


def _rate(value: Any) -> float:
    match = _RATE.fullmatch(value if isinstance(value, str) else str(value) if type(value) is int else "")
    if match is None or not float(match[1]):
        raise ValueError("must be bytes per second, more than 0, such as 500k or 2Mi")
    return float(match[1]) * _RATE_UNITS[match[2]]


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _message(text: Any) -> str:
    if not isinstance(text, str):
        raise ValueError("must be a text")  # noqa: TRY004  # pydantic wants this type
    for name in _PLACEHOLDER.findall(text):
        if name not in PLACEHOLDERS:
            allowed = ", ".join(f"{{{one}}}" for one in PLACEHOLDERS)
            raise ValueError(f"{{{name}}}: no such placeholder; allowed: {allowed}")
    return text


Seconds = Annotated[float, PlainValidator(seconds_of)]
LatencyField = Annotated[Distribution, PlainValidator(latency_of)]
DistributionField = Annotated[Distribution, PlainValidator(distribution_of)]
_Rate = Annotated[float, PlainValidator(_rate)]
_Globs = Annotated[list[Annotated[str, Field(min_length=1)]], BeforeValidator(_listed)]
_Events = Annotated[list[Literal["CREATED", "STARTED", "STOPPED", "DELETED"]], BeforeValidator(_listed)]
_Code = Literal[
    "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
]  # fmt: skip
_Count = Annotated[int, Field(ge=1)]


class _Match(Part):
    rpc: _Globs = []
    pod: _Globs = []
    namespace: _Globs = []
    labels: dict[str, _Globs] = {}
    container: _Globs = []
    image: _Globs = []
    event: _Events = []

    def selector(self) -> Selector:
        labels: dict[str, Globs] = {key: tuple(globs) for key, globs in self.labels.items()}
        return Selector(
            rpc=tuple(self.rpc),
            pod=tuple(self.pod),
            namespace=tuple(self.namespace),
            labels=labels,
            container=tuple(self.container),
            image=tuple(self.image),
            event=tuple(self.event),
        )


class _When(Part):
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0
    every: _Count = 1
    skip: Annotated[int, Field(ge=0)] = 0
    first: _Count | None = None
    times: _Count | None = None
    per: Literal["rpc", "pod", "container", "image"] = "rpc"
    from_: Annotated[Seconds, Field(alias="from")] = 0.0
    until: Seconds | None = None

    def occasion(self) -> Occasion:
        return Occasion(
            probability=self.probability,
            every=self.every,
            skip=self.skip,
            first=self.first,
            times=self.times,
            per=self.per,
            from_seconds=self.from_,
            until_seconds=self.until,
        )


class _Latency(Part):
    add: DistributionField | None = None
    total: DistributionField | None = None
    factor: Annotated[float, Field(ge=0, le=1_000_000)] | None = None
    bandwidth: _Rate | None = None
    at: str = ""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not (self.model_fields_set & {"add", "total", "factor", "bandwidth"}):
            raise ValueError("must have one of add, total, factor, bandwidth")
        if self.total is not None and self.model_fields_set & {"add", "factor"}:
            raise ValueError("total excludes add and factor")
        return self

    def slowness(self) -> Slowness:
        return Slowness(
            add=self.add,
            total=self.total,
            factor=1.0 if self.factor is None else self.factor,
            bytes_per_second=self.bandwidth,
            at=self.at,
        )


class _Error(Part):
    code: _Code
    message: Annotated[str, BeforeValidator(_message)] = ""


class _Condition(Part):
    type: Annotated[str, Field(min_length=1)]
    reason: str = ""
    message: str = ""


class _Fault(Part):
    error: _Error | None = None
    hang: Literal[True] | None = None
    reset: Literal[True] | None = None
    oversize: Literal[True] | None = None
    loseEvent: Literal[True] | None = None
    condition: _Condition | None = None
    at: Annotated[str, Field(min_length=1)] = START
    occurrence: _Count = 1
    keep: bool = False

    @model_validator(mode="after")
    def _one(self) -> Self:
        kinds = ("error", "hang", "reset", "oversize", "loseEvent", "condition")
        if len([kind for kind in kinds if getattr(self, kind) is not None]) != 1:
            raise ValueError(f"must have exactly one of {', '.join(kinds)}")
        if self.keep and self.error is None:
            raise ValueError("keep goes with error only")
        return self

    def fault(self) -> Fault:
        if self.error is not None:
            message = self.error.message or f"{self.error.code} injected by a rule"
            return Error(code=self.error.code, message=message, keep=self.keep)
        if self.condition is not None:
            one = self.condition
            return Condition(type=one.type, reason=one.reason, message=one.message)
        if self.hang:
            return Hang()
        if self.reset:
            return Reset()
        return Oversize() if self.oversize else LostEvent()

    def place(self) -> Place:
        return Place(at=self.at, occurrence=self.occurrence)


class RuleText(Part):
    """One rule as it is written; `behaviour.rules.rule.Rule` says what each field means."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
    match: _Match = _Match()
    when: _When = _When()
    latency: _Latency | None = None
    fault: _Fault | None = None

    _written: Mapping[str, object] = PrivateAttr(default_factory=dict)

    @model_validator(mode="wrap")
    @classmethod
    def _keep_as_written(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        found = handler(data)
        if found.latency is None and found.fault is None:
            raise ValueError("must have latency, fault or both")
        if isinstance(data, Mapping):
            found._written = data  # noqa: SLF001  # its own
        return found

    def rule(self) -> Rule:
        """Return the rule that is meant."""
        return Rule(
            name=self.name,
            match=self.match.selector(),
            when=self.when.occasion(),
            latency=self.latency.slowness() if self.latency is not None else None,
            fault=self.fault.fault() if self.fault is not None else None,
            place=self.fault.place() if self.fault is not None else Place(),
            written=self._written,
        )
