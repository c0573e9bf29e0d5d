"""Values made by shared/domain/values.py behave as those that the standard library makes."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain import values


class _Plain:
    name: str
    amount_minor: int
    tags: tuple[str, ...] = ()
    seen: list[int] = dataclasses.field(default_factory=list)
    secret: str = dataclasses.field(default="", repr=False)
    note: str = dataclasses.field(default="", compare=False)


def _checked(self: Any) -> None:
    if self.amount_minor < 0:
        raise ValueError("below zero")


def _made(by: Any) -> Any:
    body = dict(vars(_Plain)) | {"__post_init__": _checked, "__qualname__": "Value", "__module__": __name__}
    body["__annotations__"] = dict(_Plain.__annotations__)
    for name in ("__dict__", "__weakref__"):
        body.pop(name, None)
    return by(frozen=True, slots=True)(type("Value", (), body))


Value = _made(values.dataclass)
Standard = _made(dataclasses.dataclass)

ARGUMENTS = st.fixed_dictionaries(
    {"name": st.text(max_size=3), "amount_minor": st.integers(0, 2)},
    optional={"tags": st.tuples(st.text(max_size=1)), "secret": st.text(max_size=1), "note": st.text(max_size=1)},
)


@given(ARGUMENTS, ARGUMENTS)
def test_equality_hash_text_and_fields_are_the_standard_ones(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert (Value(**one) == Value(**other)) == (Standard(**one) == Standard(**other))
    assert repr(Value(**one)) == repr(Standard(**one))
    assert dataclasses.asdict(Value(**one)) == dataclasses.asdict(Standard(**one))
    assert dataclasses.replace(Value(**one), **other) == Value(**{**one, **other})
    assert Value(**one) != Standard(**one)
    frozen = dataclasses.replace(Value(**one), seen=())  # what holds a list has no hash
    assert hash(frozen) == hash(dataclasses.replace(frozen, note="another"))


def test_a_value_is_called_described_and_matched_as_the_standard_one() -> None:
    assert list(inspect.signature(Value).parameters) == list(inspect.signature(Standard).parameters)
    assert Value.__match_args__ == Standard.__match_args__
    assert Value("a", 1).seen is not Value("a", 1).seen
    with pytest.raises(ValueError, match="below zero"):
        Value("a", -1)
    with pytest.raises(TypeError):
        Value("a")
    with pytest.raises(TypeError):
        hash(Value("a", 1))


def test_a_value_refuses_every_change_and_every_new_attribute() -> None:
    value = Value("a", 1)
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'name'"):
        value.name = "b"
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'name'"):
        del value.name
    with pytest.raises(AttributeError):
        value.other = 1


def test_a_value_is_copied_pickled_and_stored_like_the_standard_one() -> None:
    value = Value("a", 1, ("x",), [1])
    assert copy.copy(value) == copy.deepcopy(value) == pickle.loads(pickle.dumps(value)) == value
    assert msgspec.json.decode(msgspec.json.encode(value), type=Value) == value
    assert msgspec.to_builtins(value) == msgspec.to_builtins(Standard("a", 1, ("x",), [1]))


def test_a_value_that_says_how_it_is_compared_or_shown_is_left_as_it_says() -> None:
    @values.dataclass(frozen=True, slots=True)
    class Named:
        name: str

        def __repr__(self) -> str:
            return f"<{self.name}>"

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Named) and self.name.lower() == other.name.lower()

        def __hash__(self) -> int:
            return hash(self.name.lower())

    assert (repr(Named("A")), Named("A"), hash(Named("A"))) == ("<A>", Named("a"), hash(Named("a")))
