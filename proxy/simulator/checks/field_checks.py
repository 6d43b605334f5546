"""
Validation of decoded JSON, with the error messages of the API.

A check takes a path (`messages.0.content`) and the value there, and raises an
`ApiError` if it is invalid. The API validates with pydantic v2. Its texts `Field
required` and `Extra inputs are not permitted` are recorded (messages-wire 1.2), the
others are *assumed* to be those of pydantic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from proxy.simulator.api_errors import ApiError, invalid_request

Check = Callable[[str, object], None]


def anything(_where: str, _value: object) -> None:
    """Accept any value, in fields that the simulator does not use."""


def text(*, at_least: int = 0, at_most: int | None = None) -> Check:
    def check(path: str, value: object) -> None:
        if not isinstance(value, str):
            raise _invalid_field(path, "Input should be a valid string")
        if len(value) < at_least:
            raise _invalid_field(
                path, f"String should have at least {at_least} {_characters(at_least)}"
            )
        if at_most is not None and len(value) > at_most:
            raise _invalid_field(
                path, f"String should have at most {at_most} {_characters(at_most)}"
            )

    return check


def integer(*, at_least: int | None = None) -> Check:
    def check(path: str, value: object) -> None:
        if isinstance(value, float) and not value.is_integer():
            wording = "Input should be a valid integer, got a number with a fractional part"
            raise _invalid_field(path, wording)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _invalid_field(path, "Input should be a valid integer")
        if at_least is not None and value < at_least:
            raise _invalid_field(path, f"Input should be greater than or equal to {at_least}")

    return check


def number_within(lowest: float, highest: float) -> Check:
    def check(path: str, value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _invalid_field(path, "Input should be a valid number")
        if not lowest <= value <= highest:
            # Recorded for temperature: `temperature: range: 0..1` (messages-wire 1.7).
            raise _invalid_field(path, f"range: {lowest:g}..{highest:g}")

    return check


def boolean(path: str, value: object) -> None:
    if not isinstance(value, bool):
        raise _invalid_field(path, "Input should be a valid boolean")


def one_of(*words: str) -> Check:
    *first, last = (f"'{word}'" for word in words)
    expected = f"{', '.join(first)} or {last}" if first else last

    def check(path: str, value: object) -> None:
        if value not in words:
            raise _invalid_field(path, f"Input should be {expected}")

    return check


def nullable(check: Check) -> Check:
    def check_unless_null(path: str, value: object) -> None:
        if value is not None:
            check(path, value)

    return check_unless_null


def list_of(check: Check) -> Check:
    def check_each(path: str, value: object) -> None:
        if not isinstance(value, list):
            raise _invalid_field(path, "Input should be a valid list")
        for index, item in enumerate(value):
            check(f"{path}.{index}", item)

    return check_each


def text_or(check: Check) -> Check:
    def check_unless_text(path: str, value: object) -> None:
        if not isinstance(value, str):
            check(path, value)

    return check_unless_text


def record(*, required: Mapping[str, Check], optional: Mapping[str, Check]) -> Check:
    """Check an object: its fields in the order given, then that there are no others."""
    fields = {**required, **optional}

    def check(path: str, value: object) -> None:
        members = as_object(path, value)
        for name, check_field in fields.items():
            if name in members:
                check_field(_join_path(path, name), members[name])
            elif name in required:
                raise _invalid_field(_join_path(path, name), "Field required")
        for name in members:
            if name not in fields:
                raise _invalid_field(_join_path(path, name), "Extra inputs are not permitted")

    return check


def tagged(variants: Mapping[str, Check]) -> Check:
    """Check an object by the variant that its `type` names."""
    expected = ", ".join(f"'{name}'" for name in variants)

    def check(path: str, value: object) -> None:
        members = as_object(path, value)
        if "type" not in members:
            raise _invalid_field(_join_path(path, "type"), "Field required")
        tag = members["type"]
        if not isinstance(tag, str) or tag not in variants:
            wording = f"Input tag '{tag}' found using 'type' does not match any of the"
            raise _invalid_field(path, f"{wording} expected tags: {expected}")
        variants[tag](path, value)

    return check


def as_object(path: str, value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise _invalid_field(path, "Input should be a valid dictionary")
    return value


def _join_path(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _characters(count: int) -> str:
    return "character" if count == 1 else "characters"


def _invalid_field(path: str, wording: str) -> ApiError:
    return invalid_request(f"{path}: {wording}" if path else wording)
