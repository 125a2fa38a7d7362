"""`python -m bench [group …]`: measure, and print one table. Without a group all but those that take minutes."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator

from rich.console import Console
from rich.table import Table

from bench import cri, crowd, imports, ingest, node, page, spans, store, stub
from bench.figure import Figure

GROUPS: dict[str, Callable[[], Iterator[Figure] | AsyncIterator[Figure]]] = {
    "imports": imports.figures,
    "spans": spans.figures,
    "ingest": ingest.figures,
    "page": page.figures,
    "store": store.figures,
    "cri": cri.figures,
    "stub": stub.figures,
    "node": node.figures,
    "crowd": crowd.figures,
}
OPT_IN = ("store",)


async def _gather(source: AsyncIterator[Figure]) -> list[Figure]:
    return [figure async for figure in source]


def measure(group: str) -> list[Figure]:
    """Run one group of benchmarks."""
    source = GROUPS[group]()
    return asyncio.run(_gather(source)) if isinstance(source, AsyncIterator) else list(source)


def table(figures: list[Figure]) -> Table:
    """Draw the figures."""
    drawn = Table(title="kubeletsim, measured now", title_justify="left")
    for heading in ("what", "value", "beside", "ratio", "promise"):
        drawn.add_column(heading, justify="right" if heading in ("value", "ratio") else "left")
    for figure in figures:
        other = f"{figure.other:,.3g} {figure.unit}  {figure.beside}" if figure.other is not None else figure.beside
        ratio = f"{figure.ratio:.2f}" if figure.ratio is not None else ""
        verdict = "" if figure.kept is None else "[green]kept[/]" if figure.kept else "[red]MISSED[/]"
        drawn.add_row(
            figure.what, f"{figure.value:,.3g} {figure.unit}", other, ratio, f"{verdict} {figure.limit}".strip()
        )
    return drawn


def main() -> None:
    """Measure the named groups, or all."""
    wanted = sys.argv[1:] or [name for name in GROUPS if name not in OPT_IN]
    if unknown := [name for name in wanted if name not in GROUPS]:
        sys.exit(f"bench: no such group: {', '.join(unknown)}; there are {', '.join(GROUPS)}")
    progress, figures = Console(stderr=True), []
    for number, group in enumerate(wanted, start=1):
        begin = time.monotonic()
        with progress.status(f"measuring {group} ({number} of {len(wanted)}) …"):
            figures += (measured := measure(group))
        missed = sum(figure.kept is False for figure in measured)
        progress.print(
            f"{group}: {len(measured)} figures in {time.monotonic() - begin:.0f} s, {missed} promises missed"
        )
    Console(width=None if sys.stdout.isatty() else 160).print(table(figures))


if __name__ == "__main__":
    main()
