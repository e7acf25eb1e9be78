"""How fast: the engine, its peers, the local cloud under load, long histories, starts."""

from collections.abc import Iterator, Mapping, Sequence

from bench.figures.tables import Result, aim_row, aims, number, table, verdict

ENGINE = {
    "tasks_per_s_batch_100": "throughput, 100 tasks a request",
    "tasks_per_s_batch_10": "throughput, 10 tasks a request",
    "tasks_per_s_smallest": "throughput of a run of 1,000 tasks",
    "tasks_per_s_largest": "throughput of a run of 100,000 tasks",
    "largest_to_10000": "that by the throughput of 10,000 tasks",
    "idle_p50": "one task on an idle system, from the request to its last event, median",
    "idle_p99": "the same, 99th percentile",
    "half_pace_p50": "one task at half of the throughput of 10 a request, median",
    "half_pace_p99": "the same, 99th percentile",
    "cpu_total": "CPU of all processes",
    "cpu_workers": "of it the two workers",
    "cpu_submitter": "of it the API's handler and who calls it",
    "cpu_postgres": "of it PostgreSQL",
    "cpu_redis": "of it Redis",
    "cpu_queues": "of it what stands in for SQS",
    "worker_memory_peak": "memory of a worker, peak",
    "worker_memory_growth": "memory of a worker at the end by that at a tenth of 100,000 tasks",
    "others_on_the_machine": "other programs on the machine, in the worst run",
    "sql_statements": "SQL statements",
    "sqs_send_calls": "SQS calls that send",
    "sqs_sent_messages": "SQS messages",
    "redis_round_trips": "Redis round trips",
    "redis_commands": "Redis commands, those in scripts counted each",
    "wal_bytes": "WAL",
    "log_bytes": "logs",
}
PEERS = {
    "throughput_vs_best_durable_peer": "throughput by that of the best durable peer",
    "throughput_vs_dramatiq": "throughput by that of Dramatiq",
    "latency_of_fastest_peer_vs_ours": "latency of the fastest peer by ours",
    "cpu": "CPU of all processes",
    "cpu_of_best_durable_peer_vs_ours": "CPU of the thriftiest durable peer by ours",
    "cloud_throughput_vs_best_durable_peer": "throughput of the whole local cloud by that of the best durable peer",
}
SCALE = {
    "loaded_tasks": "finished tasks loaded",
    "loaded_stage_logs": "lines of stage logs loaded",
    "copy": "loading them by COPY",
    "copy_rate": "the same",
    "vacuum_analyze": "VACUUM (ANALYZE) after it",
    "tables": "tables",
    "indexes": "indexes",
    "throughput_kept": "throughput with the history, by that of an empty database",
    "throughput_cpu": "CPU of a task with the history, by that with an empty database",
}
CPU = ("emulator", "product_functions", "product_postgresql", "product_redis", "client", "all")


def engine(result: Result) -> Iterator[str]:
    """Yield the section of bench/results/engine.json."""
    yield (
        "The real handlers in two worker processes, PostgreSQL with fsync on, six-stage tasks whose agents do "
        "nothing; SQS is stood in for below botocore. Medians of three runs of 10,000 tasks where nothing else is said."
    )
    yield ""
    yield from aims(result["figures"], ENGINE)


def peers(result: Result) -> Iterator[str]:
    """Yield the section of bench/results/peers.json."""
    yield (
        "The same DAG, each in its own environment with its documented durable settings, in turning order within one "
        "run: medians over the rounds. Latency is that of one task on an idle system."
    )
    yield ""
    yield from aims(result["figures"], PEERS)
    yield ""
    ran = [one for one in result["contenders"].values() if one["median"]]
    ran.sort(key=lambda one: -float(one["median"]["tasks_per_s"]))
    header = ("", "tasks/s", "p50 ms", "p99 ms", "CPU s per 1,000 tasks", "others' CPU")
    yield from table(header, [_contender(one) for one in ran])
    if not all(one["durable"] for one in ran):
        yield ""
        yield "\\* keeps no state of the DAG: a crash between two stages can lose or repeat work."
    yield from _spread(result)
    for failed in result["failed"]:
        yield ""
        yield f"Does not count: {failed.splitlines()[0]}"


def _spread(result: Result) -> Iterator[str]:
    """Yield how much the first ratio differed from round to round."""
    durable = [name for name, one in result["contenders"].items() if one["durable"]]
    ratios = [
        min(found)
        for each in result["by_round"]
        if (found := [each[name] for name in durable if name in each])
    ]
    if len(ratios) > 1:
        yield ""
        yield f"In single rounds {number(min(ratios))} to {number(max(ratios))} times the best durable peer."


def _contender(one: Result) -> list[str]:
    run = one["median"]
    latency = run["idle_latency_ms"]
    return [
        one["title"] if one["durable"] else f"{one['title']} \\*",
        number(run["tasks_per_s"]),
        number(latency["p50"]),
        number(latency["p99"]),
        number(run["cpu_s_per_1000_tasks"]["total"]),
        f"{run['machine_cpu_others']:.0%}",
    ]


def cloud(result: Result) -> Iterator[str]:
    """Yield the section of bench/results/cloud.json."""
    loads = {name: load["median"] for name, load in result["loads"].items()}
    yield (
        "HTTP in, emulated API Gateway, Lambda and SQS, every result read back over HTTP and checked. Its aim, "
        "the best durable peer in the same run, is in the section before. The median run of each load, and the range "
        "of all."
    )
    yield ""
    rows = [("tasks/s", [_rate(load) for load in result["loads"].values()])]
    spent = {f"CPU s per 1,000 tasks: {part.replace('product_', 'product, ')}": part for part in CPU}
    rows += [
        (words, [number(load["cpu_s_per_1000_tasks"][part]) for load in loads.values()])
        for words, part in spent.items()
    ]
    rows.append(
        ("jobs in a call of a stage", [number(x["time"]["jobs_per_stage_call"]) for x in loads.values()])
    )
    yield from table(["", *loads], [[words, *cells] for words, cells in rows])
    latency, memory = result["latency"], result["memory"]
    yield ""
    yield (
        f"One task on the idle cloud: {number(latency['p50_ms'])} ms (median), {number(latency['p95_ms'])} ms (95th "
        f"percentile). The emulator and the functions' processes take {number(memory['total_mb'])} MB."
    )


def _rate(load: Result) -> str:
    rates = [run["tasks_per_s"] for run in load["runs"]]
    return f"{number(load['median']['tasks_per_s'])} ({number(min(rates))} to {number(max(rates))})"


def scale(result: Result) -> Iterator[str]:
    """Yield the section of bench/results/scale.json: of many reads of a kind the slowest, and all that miss."""
    figures: Mapping[str, Result] = result["figures"]
    reads = {name.removesuffix("_p99"): one for name, one in figures.items() if name.endswith("_p99")}
    sweeps = {name: one for name, one in figures.items() if name.startswith("sweep_")}
    kinds = {
        "kinds of `GET /v1/tasks`": [n for n in reads if n.startswith("list") and "agents" not in n],
        "ways of `GET /v1/tasks/{id}`": [n for n in reads if n.startswith("get")],
    }
    grouped = {name for names in kinds.values() for name in names}
    kinds["reads of the analytics views"] = [name for name in reads if name not in grouped]
    rows = [
        aim_row(words, _reached(figures[name]), figures[name])
        for name, words in SCALE.items()
        if name in figures
    ]
    for words, names in kinds.items():
        rows += _slowest(f"{len(names)} {words}, 99th percentile of the slowest", names, reads)
    rows += _slowest("a sweep over 100,000 open stages, the slowest of all kinds", list(sweeps), sweeps)
    yield from table(["", "aim", "reached", ""], rows)


def _slowest(words: str, names: Sequence[str], figures: Mapping[str, Result]) -> Iterator[list[str]]:
    """Yield a row for the slowest of some figures, and one for each other that misses its aim."""
    ordered = sorted(names, key=lambda name: -float(figures[name]["value"]))
    for place, name in enumerate(ordered):
        if place == 0:
            yield aim_row(f"{words} (`{name}`)", _reached(figures[name]), figures[name])
        elif figures[name].get("met") is False:
            yield aim_row(f"`{name}`", _reached(figures[name]), figures[name])


def _reached(figure: Result) -> str:
    return f"{number(figure['value'])} {figure['unit']}".removesuffix(" of empty")


def cold(result: Result) -> Iterator[str]:
    """Yield the section of bench/results/cold.json."""
    aim = result["aim"]
    yield (
        f"CPU milliseconds of a fresh process, medians of {result['processes']}: a function's import beside that of "
        f"its unavoidable libraries alone (aim for {aim['for']}: below {aim['import_ratio_below']:g} times), then "
        "building its parts, and its memory then."
    )
    yield ""
    header = ("function", "import", "its libraries", "ratio", "", "parts", "MB", "modules")
    yield from table(header, [_start(name, one) for name, one in result["functions"].items()])


def _start(name: str, one: Result) -> list[str]:
    return [
        name,
        number(round(one["import"]["cpu_ms"])),
        number(round(one["libraries"]["import"]["cpu_ms"])),
        f"{one['import_ratio']:.2f}",
        verdict(one.get("met")),
        number(round(one["build"]["cpu_ms"])),
        number(round(one["build"]["rss_mb"])),
        number(one["import"]["modules"]),
    ]
