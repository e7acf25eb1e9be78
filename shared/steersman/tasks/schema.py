"""JSON Schema 2020-12, without network: what a template may carry and how a document is held to it."""

from collections.abc import Mapping
from typing import Any

import jsonschema_rs

from steersman.errors import Fault

MAX_FAULTS = 20


def _refuse_remote(uri: str) -> Any:
    raise ValueError(f"'{uri}' is outside this schema; only references inside it are allowed")


class Schema:
    """A compiled schema. Raises ValueError with the reason when `document` is not a valid 2020-12 schema."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        try:
            jsonschema_rs.meta.validate(
                {"$schema": "https://json-schema.org/draft/2020-12/schema", **document}
            )
            self._validator = jsonschema_rs.Draft202012Validator(
                dict(document), retriever=_refuse_remote, pattern_options=jsonschema_rs.RegexOptions()
            )
        except jsonschema_rs.ValidationError as exc:
            place = "/".join(map(str, exc.instance_path))
            raise ValueError(f"{place}: {exc.message}" if place else exc.message) from exc

    def faults(self, value: Any, at: str) -> tuple[Fault, ...]:
        """Return what is wrong with `value`, each fault's field under the dotted path `at`; empty when valid."""
        if self._validator.is_valid(value):
            return ()
        found = []
        for error in self._validator.iter_errors(value):
            found.append(Fault(".".join([at, *map(str, error.instance_path)]), error.message))
            if len(found) == MAX_FAULTS:
                break
        return tuple(found)
