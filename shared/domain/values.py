"""Frozen values as `dataclasses` makes them, in a third of the time: a cold start makes 150 classes of them.

To whoever uses it, `dataclass(frozen=True, slots=True)` from here is the standard one, its fields, `replace` and the
type checker included. Only `__init__` is written out and compiled for each class; comparison, hash, text and refusing
changes, which the standard one compiles anew each time, come from functions made once. docs/DECISIONS.md has figures.

A value is filled in while it is *thawed*: of a class with the same slots that refuses nothing, to which the interpreter
writes five times faster than past a refusal. Then it becomes what it is, for good; nobody ever sees it before.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(*, slots: bool, frozen: bool = False) -> Callable[[type], type]:
        """The standard decorator's two forms that Paidup uses. One that is not frozen is the standard one itself."""
        return _value if frozen else dataclasses.dataclass(slots=slots)


THAWED_FROM: Final = 6  # fields; for fewer, becoming another class and back costs more than it saves
_become: Final = vars(object)["__class__"].__set__


@cache
def thawed(cls: type) -> type:
    """A class with the slots of a value's class, whose instances can be written to and may become such values."""
    free = {"__slots__": (), "__setattr__": object.__setattr__, "__delattr__": object.__delattr__}
    return type(cls)(f"_Thawed{cls.__name__}", (cls,), free)


def _value(plain: type) -> type:
    plain.__doc__ = plain.__doc__ or plain.__name__  # the standard one would work out a signature to put there
    own = set(vars(plain))
    made: type = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True)(plain)
    fields = dataclasses.fields(made)
    compared = _values_of([field.name for field in fields if field.compare])
    shown = [field.name for field in fields if field.repr]

    def equal(self: Any, other: object) -> Any:
        if self is other:
            return True
        return compared(self) == compared(other) if other.__class__ is self.__class__ else NotImplemented

    def hashed(self: Any) -> int:
        return hash(compared(self))

    def told(self: Any) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    made_here = {"__init__": _initializer(made, fields), "__eq__": equal, "__hash__": hashed, "__repr__": told}
    for name, method in {**made_here, **_REFUSING}.items():
        if name not in own:
            setattr(made, name, method)
    return made


def _values_of(names: list[str]) -> Callable[[Any], object]:
    return attrgetter(*names) if names else lambda self: ()


def _initializer(made: type, fields: tuple[dataclasses.Field[Any], ...]) -> Callable[..., None]:
    """`__init__`, which writes past the refusal to change: while it is thawed, or through the slots themselves."""
    known: dict[str, Any] = {}
    parameters, lines, thaws = ["self"], [], len(fields) >= THAWED_FROM
    if thaws:
        known |= {"become": _become, "Thawed": thawed(made), "made": made}
    for field in fields:
        name, value = field.name, field.name
        if not thaws:
            known[f"set_{name}"] = getattr(made, name).__set__
        if field.default is not dataclasses.MISSING:
            known[f"default_{name}"] = field.default
            parameters.append(f"{name}=default_{name}")
        elif field.default_factory is not dataclasses.MISSING:
            known |= {f"make_{name}": field.default_factory, "MISSING": dataclasses.MISSING}
            parameters.append(f"{name}=MISSING")
            value = f"make_{name}() if {name} is MISSING else {name}"
        else:
            parameters.append(name)
        lines.append(f" self.{name} = {value}" if thaws else f" set_{name}(self, {value})")
    if thaws:
        lines = [" become(self, Thawed)", *lines, " self.__class__ = made"]
    if hasattr(made, "__post_init__"):
        lines.append(" self.__post_init__()")
    exec(f"def __init__({', '.join(parameters)}):\n" + "\n".join(lines or [" pass"]), known)  # noqa: S102 - names of fields
    initializer: Callable[..., None] = known["__init__"]
    initializer.__annotations__ = {field.name: field.type for field in fields}
    initializer.__qualname__ = f"{made.__qualname__}.__init__"
    initializer.__module__ = made.__module__
    return initializer


def _no_change(self: object, name: str, value: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _no_removal(self: object, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> dict[str, object]:
    return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


def _restore(self: object, state: Mapping[str, object]) -> None:
    for name, value in state.items():
        object.__setattr__(self, name, value)


_REFUSING: Final[Mapping[str, Callable[..., Any]]] = {
    "__setattr__": _no_change, "__delattr__": _no_removal,
    "__getstate__": _state, "__setstate__": _restore,  # copying would set the attributes otherwise
}  # fmt: skip

__all__ = ["dataclass"]
