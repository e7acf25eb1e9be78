"""Keep the database in order: make the coming months' partitions, drop those past retention, forget expired keys."""

from typing import Any

from steersman.bootstrap import parts
from steersman.db.partitions import KEEP_HOURS_DAYS, MONTHS_AHEAD, ensure, tend
from steersman.http.idempotency_store import forget_expired
from steersman.tasks import token_store


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Do the housekeeping of the database and say what changed."""
    with parts().logger.request("partitions"):
        months = parts().settings.history_retention_months
        report = ensure(parts().database, months_ahead=MONTHS_AHEAD, retention_months=months)
        forgotten = forget_expired(parts().database)
        tokens = token_store.forget_ended(parts().database)
        folded = tend(parts().database, keep_hours_days=KEEP_HOURS_DAYS)
    # Not `created`: a log record has a field of that name already.
    done = {
        "partitions_made": report.created,
        "partitions_dropped": report.dropped,
        "forgotten_keys": forgotten,
        "forgotten_tokens": tokens,
        "folded_measurements": folded,
    }
    parts().logger.fact("history partitions kept", **done)
    return done
