"""Attributes that are set when an object is made and never again."""

from __future__ import annotations

from typing import Any, Generic, Self, TypeVar, overload

T = TypeVar("T")


class SetOnce(Generic[T]):
    """An attribute that other parts of its object are built from: ``ops = SetOnce[Ops]()``.

    Setting it again raises `AttributeError`, since those parts would not follow. Deleting it frees
    its memory.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> Any:
        if instance is None:
            return self
        try:
            return vars(instance)[self.name]
        except KeyError:
            raise AttributeError(f"{owner.__name__}: has no attribute {self.name!r}") from None

    def __set__(self, instance: object, value: T) -> None:
        if self.name in vars(instance):
            raise AttributeError(
                f"{self.name}: expected no new value, since other parts were built from this one; "
                f"make another {type(instance).__name__}"
            )
        vars(instance)[self.name] = value

    def __delete__(self, instance: object) -> None:
        del vars(instance)[self.name]
