"""JSON Schema 2020-12, without network: what a template may carry and how a document is held to it."""

from collections.abc import Mapping
from typing import Any

import jsonschema_rs

from steersman.errors import Fault

MAX_FAULTS = 20
MAX_REASON = 300
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def _refuse_remote(uri: str) -> Any:
    raise ValueError(f"'{uri}' is outside this schema; only references inside it are allowed")


class Schema:
    """A compiled schema. Raises ValueError with the reason when `document` is not a valid 2020-12 schema."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        if document.get("$schema", DIALECT) != DIALECT:
            # Before anything else: the library would fetch an unknown dialect from the network.
            raise ValueError(f"$schema: only {DIALECT} is spoken here")
        try:
            jsonschema_rs.meta.validate({**document, "$schema": DIALECT})
            self._validator = jsonschema_rs.Draft202012Validator(
                dict(document),
                retriever=_refuse_remote,
                pattern_options=jsonschema_rs.RegexOptions(),
                mask="the value",  # reasons are stored, logged and sent: they never hold the payload
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
            field = ".".join([at, *map(str, error.instance_path)])
            found.append(Fault(field[:MAX_REASON], error.message[:MAX_REASON]))
            if len(found) == MAX_FAULTS:
                break
        return tuple(found)
