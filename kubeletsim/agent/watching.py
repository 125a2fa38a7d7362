"""What looks at the runtime: the PLEGs, and what they read with and write to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from kubeletsim.agent.foundation import Foundation
from kubeletsim.model.runtime import PodUID
from kubeletsim.pleg.cache import PodCache
from kubeletsim.pleg.evented import EventedPLEG
from kubeletsim.pleg.generic import GenericPLEG
from kubeletsim.pleg.reader import RuntimeReader
from kubeletsim.upkeep.runtime_state import HealthCheck


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """The parts that look at the runtime."""

    reader: RuntimeReader
    cache: PodCache
    pleg: GenericPLEG
    evented: EventedPLEG | None
    """Runs the other one beside itself; None while its gate is off."""
    on_demand: bool
    """Whether single pods are looked at between relists: gate PLEGOnDemandRelist."""

    @classmethod
    def build(cls, base: Foundation) -> Self:
        """Build the PLEGs; they need nothing but the runtime."""
        reader = RuntimeReader(base.runtime, clock=base.clock)
        cache = PodCache(base.clock)
        pleg = GenericPLEG(reader, cache=cache, clock=base.clock, rng=base.rng, registry=base.registry)
        evented = EventedPLEG(
            base.runtime, generic=pleg, cache=cache, clock=base.clock, rng=base.rng, registry=base.registry
        )
        return cls(
            reader=reader,
            cache=cache,
            pleg=pleg,
            evented=evented if "EventedPLEG" in base.gates else None,
            on_demand="PLEGOnDemandRelist" in base.gates,
        )

    @property
    def health_checks(self) -> Mapping[str, HealthCheck]:
        """What says that the runtime is not being watched, by name."""
        evented = {"EventedPLEG": self.evented.health_problem} if self.evented is not None else {}
        return {"PLEG": self.pleg.health_problem, **evented}

    def request_relist(self, uid: PodUID) -> None:
        """Have one pod looked at soon, if the gate allows it; else the next relist of everything has to do."""
        if self.on_demand:
            self.pleg.request_relist(uid)

    async def run(self) -> None:
        """Watch; never returns."""
        await (self.evented or self.pleg).run()
