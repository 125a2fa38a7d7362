"""A figure: something measured, beside what it is compared with in the same run."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One row of the table."""

    what: str
    value: float
    unit: str
    beside: str = ""
    """What it is compared with, in words."""
    other: float | None = None
    """The other's value in the same unit, measured in the same run; a quoted one says so in `beside`."""
    limit: str = ""
    """The promise this figure stands for, if there is one: `<= 80`, or of its ratio to the other: `ratio >= 0.9`."""

    paired: float | None = None
    """The ratio to the other, where the two took turns: the median of the rounds' own ratios."""

    @property
    def ratio(self) -> float | None:
        """Return value / other."""
        if self.paired is not None:
            return self.paired
        return self.value / self.other if self.other else None

    @property
    def kept(self) -> bool | None:
        """Tell whether the promise holds; None without one."""
        if not self.limit:
            return None
        *of, comparison, bound = self.limit.split()
        measured = (self.ratio or 0.0) if of == ["ratio"] else self.value
        return measured <= float(bound) if comparison == "<=" else measured >= float(bound)
