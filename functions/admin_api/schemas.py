"""JSON schemas of models among the components of the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

REFERENCE: Final = "#/components/schemas/{model}"


def put_among(schemas: dict[str, Any], name: str, made: dict[str, Any]) -> None:
    """Put a model's schema there under `name`, and each that it refers to under its own."""
    schemas.update({inner: _tidy(schema) for inner, schema in made.pop("$defs", {}).items()})
    schemas[name] = _tidy(made)


def _tidy(schema: dict[str, Any]) -> dict[str, Any]:
    """A model's schema without defaults of null: where null is no value, it stood for a field that must be given."""
    required = list(schema.get("required", ()))
    for name, inner in schema.get("properties", {}).items():
        if inner.get("default", "") is None:
            del inner["default"]
            if "null" not in (inner.get("type"), *(choice.get("type") for choice in inner.get("anyOf", ()))):
                required.append(name)
    return {**schema, "required": list(dict.fromkeys(required))} if required else schema
