"""The documentation of fields, read from the docstrings beneath them in the source.

Python forgets those docstrings, so they cost the daemon nothing; `config schema` and --help read them when asked.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterator

from kubeletsim.config.schema.types import Struct, struct_of


def attribute_docs(cls: type) -> dict[str, str]:
    """Return the text beneath each attribute of a class, its bases included, on one line each."""
    docs: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if base.__module__.startswith("kubeletsim."):
            docs.update(_own_docs(base))
    return docs


def _own_docs(cls: type) -> Iterator[tuple[str, str]]:
    definition = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(definition, ast.ClassDef)  # noqa: S101  getsource of a class gives a class
    for statement, below in zip(definition.body, definition.body[1:], strict=False):
        if (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
        ):
            yield statement.target.id, " ".join(str(below.value.value).split())


def field_docs(struct: type[Struct], *, prefix: str = "") -> dict[str, str]:
    """Return the documentation of every field by its dotted path, those of nested structs too; `[]` marks lists."""
    docs: dict[str, str] = {}
    own = attribute_docs(struct)
    for name, field in struct.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        docs[path] = own[name]
        if inner := struct_of(field):
            listed = "[]" if getattr(field.annotation, "__origin__", None) is tuple else ""
            docs.update(field_docs(inner, prefix=f"{path}{listed}."))
    return docs
