"""The documentation of fields, read from the docstrings beneath them in the source.

Python forgets those docstrings, so they cost the daemon nothing; `config schema` and --help read them when asked.
"""

import ast
import inspect
import sys
from collections.abc import Iterator

from kubeletsim.config.schema.types import Struct, struct_of


class Documentation:
    """The docstrings of our classes' attributes; each module is read once."""

    def __init__(self) -> None:
        self._classes: dict[str, dict[str, ast.ClassDef]] = {}

    def of_attributes(self, cls: type) -> dict[str, str]:
        """Return the text beneath each attribute of a class, its bases included, on one line each."""
        docs: dict[str, str] = {}
        for base in reversed(cls.__mro__):
            if base.__module__.startswith("kubeletsim."):
                docs.update(_docs(self._classes_of(base.__module__)[base.__name__]))
        return docs

    def of_fields(self, struct: type[Struct], *, prefix: str = "") -> dict[str, str]:
        """Return the documentation of every field by its dotted path, nested structs too; `[]` marks lists."""
        docs: dict[str, str] = {}
        own = self.of_attributes(struct)
        for name, field in struct.model_fields.items():
            path = f"{prefix}{field.alias or name}"
            docs[path] = own[name]
            if inner := struct_of(field):
                listed = "[]" if getattr(field.annotation, "__origin__", None) is tuple else ""
                docs.update(self.of_fields(inner, prefix=f"{path}{listed}."))
        return docs

    def _classes_of(self, module: str) -> dict[str, ast.ClassDef]:
        if module not in self._classes:
            tree = ast.parse(inspect.getsource(sys.modules[module]))
            self._classes[module] = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
        return self._classes[module]


def _docs(definition: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for statement, below in zip(definition.body, definition.body[1:], strict=False):
        if (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
        ):
            yield statement.target.id, " ".join(str(below.value.value).split())
