"""What the bill rests on and was not measured here: each value, and why it is that."""

from dataclasses import dataclass, field, fields
from typing import Any


def _because(value: float, reason: str) -> Any:
    return field(default=value, metadata={"because": reason})


@dataclass(frozen=True)
class Assumptions:
    """Values of the model; `told` gives them with their reasons."""

    vcpu_mb: float = _because(1769, "Lambda gives one vCPU at 1,769 MB and less in proportion")
    cpu_factor: float = _because(
        1.5,
        "CPU seconds of a Lambda arm64 vCPU for one of the machine measured on: a guess on the careful side",
    )
    statement_wait_ms: float = _because(
        5.0,
        "a function waits for an SQL statement beyond PostgreSQL's own CPU: the way there, Aurora's commit",
    )
    redis_wait_ms: float = _because(
        1.0, "a function waits for a round trip to ElastiCache Serverless, by TLS"
    )
    sqs_wait_ms: float = _because(12.0, "a function waits for an SQS call")
    acu_vcpu: float = _because(0.25, "vCPUs of an ACU: instances of 2 vCPUs and 16 GiB stand for 8 ACUs")
    acu_use: float = _because(
        0.5, "the share of its ACUs that Aurora lets work before it scales, and of the hour"
    )
    io_bytes: float = _because(
        4096, "WAL bytes of a billed write; WAL here has images of whole pages, which Aurora does not write"
    )
    kept_share_of_wal: float = _because(
        0.5, "bytes that stay in tables and indexes for each byte of WAL, where nothing measured them"
    )
    zone_share: float = _because(0.5, "of the traffic with the stores crosses to the other of two zones")
    zone_bytes_per_wal_byte: float = _because(2.0, "bytes between functions and stores for each byte of WAL")
    ecpus_per_command: float = _because(
        1.0, "ECPUs of a command, those within scripts counted each: up to 1 KB each"
    )
    view_gb_hours_per_task: float = _because(
        8e3 / 1e9 / 6, "a task's stream and view of about 8 KB, kept for ten minutes after its end"
    )
    access_log_bytes: float = _because(
        500, "the API's access log line; the functions' own lines are measured"
    )
    read_cpu_s: float = _because(0.004, "CPU seconds of one GET of a task, its view cached or not")
    answer_bytes: float = _because(350, "of an accepted task in the API's answer, sent out to the internet")
    trace_share: float = _because(
        0.05, "X-Ray's default rule: the first request of a second, and 5 % of the rest"
    )
    awake_acu: float = _because(0.5, "the least that an awake Aurora is billed")
    express_ms: float = _because(
        300, "a run of the DAG as an express workflow: five steps one after the other"
    )
    express_mb: float = _because(64, "the least memory that an express workflow is billed")
    state_bytes: float = _because(
        6000, "a task's inputs and results of 200 bytes with their envelope, elsewhere"
    )
    retention_hours: float = _because(730, "finished tasks are kept a month, everywhere")
    poll_s: float = _because(20, "an idle event source long-polls")
    pollers: float = _because(5, "of an event source whose concurrency is bounded")
    pollers_optimised: float = _because(
        2, "of an unbounded one when idle: 'can optimize to as few as 2' (AWS Lambda guide, SQS scaling)"
    )
    schedule_ms: float = _because(30, "a scheduled call that finds nothing to do (one round trip to Redis)")
    schedule_log_bytes: float = _because(400, "a log line, and what Lambda writes of the call")
    waking_acu: float = _because(1.0, "ACUs while a paused Aurora is awake, until it pauses again")
    database_gb: float = _because(1.0, "an idle database with little in it")

    def told(self) -> dict[str, dict[str, Any]]:
        """Return each value with its reason, for the results file."""
        return {
            one.name: {"value": getattr(self, one.name), "because": one.metadata["because"]}
            for one in fields(self)
        }
