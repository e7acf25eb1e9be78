"""Every minute: do what the clock made due, send again what a crash stranded, end tasks past their deadline."""

from typing import Any

from steersman.bootstrap import parts
from steersman.tasks.plans import Plans
from steersman.tasks.sweep import sweep


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Do one sweep and say what it did."""
    with parts().logger.request("sweep"):
        swept = sweep(
            database=parts().engine_database,
            queues=parts().queues,
            live=parts().live,
            open_work=parts().open_work,
            plans=Plans(parts().engine_database),
            lanes=parts().settings.lanes,
            warn=parts().warn,
            stranded_after_s=parts().settings.stranded_after_s,
            clockworks=lambda: (parts().due_schedules, parts().day_releases),
            limits=parts().limits,
            orchestration=parts().orchestration,
            reach=parts().reach,
        )
    parts().logger.fact("swept", **vars(swept))
    return vars(swept)
