"""The rules written at the fields themselves: `Range` and `OneOf`."""

from collections.abc import Iterator
from typing import Any

from kubeletsim.config.schema.gates import FeatureGates
from kubeletsim.config.schema.types import OneOf, Range, Stage, Struct, join_path
from kubeletsim.model.errors import Fault

_GATED = {"imagePullCredentialsVerificationPolicy": "KubeletEnsureSecretPulledImages"}
"""Fields whose set of values holds only with a gate on; `relations` says what holds with it off."""


def bound_faults(
    struct: Struct, *, stage: Stage, gates: FeatureGates, at: tuple[str | int, ...] = ()
) -> Iterator[Fault]:
    """Name every value outside its field's bounds that are enforced at the given stage, nested structs included."""
    for name, field in type(struct).model_fields.items():
        value = getattr(struct, name)
        path = (*at, field.alias or name)
        if value is None or (name in _GATED and not gates.enabled(_GATED[name])):
            continue
        for mark in field.metadata:
            if isinstance(mark, Range | OneOf) and _stage_of(mark) is stage and not mark.allows(value):
                yield Fault(join_path(*path), _shown(value), str(mark))
        for index, inner in _structs_in(value):
            yield from bound_faults(inner, stage=stage, gates=gates, at=(*path, *index))


def _stage_of(mark: Range | OneOf) -> Stage:
    return mark.stage if isinstance(mark, OneOf) else Stage.VALIDATION


def _shown(value: Any) -> Any:
    """Show a value as the file has it: texts and numbers as they are, durations as text."""
    return value if isinstance(value, str | int | float) else str(value)


def _structs_in(value: object) -> Iterator[tuple[tuple[int, ...], Struct]]:
    if isinstance(value, Struct):
        yield (), value
    elif isinstance(value, tuple):
        yield from (((number,), item) for number, item in enumerate(value) if isinstance(item, Struct))
