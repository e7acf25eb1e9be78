"""Dead letters redriven by the thousand: tasks whose second stage found no agent, until there was one."""

import time
from contextlib import ExitStack
from typing import Any
from uuid import uuid4

from bench.engine.bed import Bed, Say
from bench.engine.readings import Reading
from bench.paths import templates
from bench.paths.bed import asked_of_servers, check, machine, made_bed, spent_s, value
from steersman.agents import store as agent_store
from steersman.agents.registry import FRESH_S
from steersman.db.connection import Database
from steersman.ids import DEFAULT_PROJECT_ID, new_id

LETTERS = 10_000
BATCH = 100
RATE_PER_S = 1000  # the highest that a request may ask for
_OPEN = "SELECT count(*) FROM dead_letters WHERE status = 'open'"
_COMPLETED = "SELECT count(*) FROM task_histories WHERE template_name = %s AND status = 'completed'"
_LAST = "SELECT extract(epoch FROM max(finished_at))::float8 FROM task_histories WHERE template_name = %s"


def measure(say: Say, *, tasks: int | None = None) -> dict[str, Any]:
    """Measure the redrive of `tasks` letters through the handler, on servers of its own.

    call_s              seconds of each request; one takes up to 10,000 tasks
    sent_per_s          letters a second, until the last request was answered: then all jobs are sent
    ended_per_s         letters a second, from the first request to the last task's end
    paced_s             how long the rate alone makes the last task wait
    per_letter, cpu_s   what was asked of servers; CPU seconds by process
    machine_cpu         shares of the machine's CPU time: this run, others, idle
    """
    count = tasks or LETTERS
    with ExitStack() as alive:
        say("starting the servers and the workers")
        bed = made_bed(alive, templates.letters())
        say(f"{count:,} tasks fail")
        given = {"template": templates.LETTERS, "input": {"question": "why?"}}
        bed.submitter.ask(move="load", task=given, count=count, batch=BATCH)
        bed.drain(say)
        check(value(bed, _OPEN), count, "open dead letters")
        _register(bed.servers.postgres.url)
        time.sleep(FRESH_S)  # so long workers may go on with the agents that they know
        bed.admin.execute("CHECKPOINT")
        say(f"{count:,} dead letters are redriven")
        before = Reading.of(bed)
        began = time.time()
        calls = _redriven(bed, count)
        sent_s = time.time() - began
        bed.drain(say)
        after = Reading.of(bed)
        check(value(bed, _COMPLETED, templates.LETTERS), count, "tasks that completed after their redrive")
        ended_s = value(bed, _LAST, templates.LETTERS) - began
        asked = asked_of_servers(before, after)
        return {
            "letters": count,
            "rate_per_s": RATE_PER_S,
            "call_s": [round(seconds, 3) for seconds in calls],
            "sent_per_s": round(count / sent_s, 1),
            "ended_per_s": round(count / ended_s, 1),
            "ended_s": round(ended_s, 3),
            "paced_s": (count - 1) / RATE_PER_S,
            "per_letter": {name: round(number / count, 4) for name, number in asked.items()},
            "cpu_s": spent_s(before, after),
            "machine_cpu": machine(before, after),
        }


def _redriven(bed: Bed, count: int) -> list[float]:
    """Redrive until no letter is left; return the seconds of each request."""
    body = {"template": templates.LETTERS, "preview": False, "expected": count, "rate_per_s": RATE_PER_S}
    seconds: list[float] = []
    while body["expected"]:
        told = bed.submitter.ask(move="redrive", body=body, key=str(uuid4()))
        seconds.append(told["seconds"])
        body["expected"] = told["answer"]["left"]
    return seconds


def _register(url: str) -> None:
    """Register the agent that the second stage asks for."""
    ability = {"name": templates.AWAY, "version": "1.0.0", "input_schema": {}, "output_schema": {}}
    agent = {
        "name": "bench_away",
        "version": "1.0.0",
        "description": "",
        "protocol": "builtin",
        "endpoint": "builtin:echo",
        "status": "active",
        "capabilities": [ability],
    }
    database = Database(url)
    try:
        agent_store.put(database, DEFAULT_PROJECT_ID, new_id(), agent, shared=True)
    finally:
        database.close()
