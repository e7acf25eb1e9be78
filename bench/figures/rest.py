"""The rest: prices, the chaos run, the local cloud of one person, the answers."""

from collections.abc import Iterator, Mapping

from bench.figures.tables import Result, aim_row, aims, number, table, usd, verdict

ANSWERS = {
    "hit_at_5": "retrieval has the right document among the first five",
    "cited_fact": "a cited passage holds the expected fact",
    "said_fact": "the answer's own text holds it",
    "declined": "unanswerable questions declined",
    "wrongly_declined": "answerable questions declined",
}
LOCAL = {
    "up_cold": "`steersman up` (what `make up` runs), from nothing",
    "up_warm": "`steersman up` after `down`, nothing changed",
    "up_while_up": "`steersman up` while it is up",
    "ingestion": "ingestion of the demo corpus through the API",
    "get_task_p50": "`GET /v1/tasks/{id}`, median",
    "get_task_p95": "`GET /v1/tasks/{id}`, 95th percentile",
    "memory_at_rest": "memory of the whole local cloud at rest",
    "at_once_completed": "answered of 20 questions at once",
    "at_once_seconds": "until the last of them was answered; each request starts a process of its own",
    "at_once_again_seconds": "the same once more, with the processes there",
    "at_once_memory_peak": "memory of the whole local cloud meanwhile, peak",
}
STORM = {
    "stalls": "workers stopped until their leases ran out, then let go on",
    "leases_lost": "stages taken over from a worker that fell silent",
    "repeated_requests": "requests sent again under their key",
}


def cost(result: Result) -> Iterator[str]:
    """Yield the section of bench/results/cost.json."""
    million, months = result["million"], result["idle_month"]
    ways = million["steersman"]
    yield (
        f"Public prices of {result['prices']['region']} as of {result['prices']['read_on']}, free tier "
        f"{result['free_tier']}; calls counted by `make bench` ({result['counted_on']['date']}). What was assumed, "
        "with its reasons, and how sure each price is, is in `bench/results/cost.json`."
    )
    yield from ("", "### USD for a million six-stage tasks, without the agents' own work", "")
    rows = [aim_row(way["title"], usd(way["usd"]), _under(million["aim_usd"], way)) for way in ways.values()]
    yield from table(["", "aim", "reached", ""], rows)
    yield ""
    yield from _items({way["title"]: way for way in ways.values()})
    yield ""
    yield (
        f"Each hour in which something is done costs {million['awake_hour']['usd']:.3f} USD however little it is; "
        "the prices above hold the hours that a million takes without a pause."
    )
    yield from ("", "### The same DAG elsewhere, orchestration only", "")
    yield from table(
        ["", "USD", "note"], [[o["title"], usd(o["usd"]), o.get("note", "")] for o in million["elsewhere"]]
    )
    yield from ("", "### USD for a month in which nothing happens", "")
    rows = [
        aim_row(f"`{name}`", usd(one["usd"]), _under(one.get("aim_usd"), one)) for name, one in months.items()
    ]
    yield from table(["", "aim", "reached", ""], rows)
    yield ""
    yield from _items({f"`{name}`": one for name, one in months.items()})
    for name, one in months.items():
        if one.get("met") is False:
            yield from ("", f"What would make `{name}` cheaper:", "")
            remedies = [[r["remedy"], usd(r["saves_usd"]), r["loses"]] for r in one["remedies"]]
            yield from table(["change", "saves", "loses"], remedies)


def _under(aim: float | None, one: Result) -> Result:
    return {} if aim is None else {"aim": f"under {aim:g}", "met": one["met"]}


def _items(bills: Mapping[str, Result]) -> Iterator[str]:
    """Yield a table of all bills' items, the dearest first."""
    costs = {name: {item["item"]: item["usd"] for item in bill["items"]} for name, bill in bills.items()}
    names = dict.fromkeys(item for found in costs.values() for item in found)
    ordered = sorted(names, key=lambda name: -max(found.get(name, 0.0) for found in costs.values()))
    yield from table(
        ["item", *bills], [[name, *(usd(found.get(name)) for found in costs.values())] for name in ordered]
    )


def chaos(result: Result) -> Iterator[str]:
    """Yield the section of bench/results/chaos.json."""
    kills, at_random = result["kills_at_failpoints"], result["kills_at_random"]
    wrong = sum(group["count"] for group in result["findings"])
    yield (
        f"Seed {result['seed']} (`make chaos` prints it; `--seed` repeats the run), a storm of "
        f"{number(result['storm_s'])} s. What is done and checked is in [guarantees.md](guarantees.md)."
    )
    yield ""
    rows = [
        aim_row("findings of the checker", number(wrong), {"aim": "0", "met": wrong == 0}),
        ["tasks that ended", number(result["planned_tasks"]), _counts(result["tasks"]), ""],
        ["calls of agents", "", number(result["executions"]["all"]), ""],
        ["processes killed at failpoints", "", number(sum(kills.values())), ""],
        [
            "failpoints at which some died",
            number(len(kills)),
            number(sum(count > 0 for count in kills.values())),
            verdict(not result["unreached_failpoints"]),
        ],
        ["processes killed at random", "", _counts(at_random), ""],
        *([words, "", number(result[name]), ""] for name, words in STORM.items()),
        ["accidents to servers", "", _counts(result["servers"]), ""],
    ]
    yield from table(["", "aim", "reached", ""], rows)
    for group in result["findings"]:
        yield ""
        yield f'Found: {group["count"]} times "{group["rule"]}".'


def _counts(found: Mapping[str, int]) -> str:
    return ", ".join(f"{number(count)} {name.replace('_', ' ')}" for name, count in found.items())


def local(result: Result) -> Iterator[str]:
    """Yield the section of bench/results/local.json."""
    figures = result["figures"]
    templates = sorted(name for name in figures if name.endswith("_p50") and name not in LOCAL)
    told = {}
    for name in templates:
        template = name.removesuffix("_p50")
        worst = figures.get(f"{template}_p95", {}).get("value")
        tail = f" (95th percentile {worst:.2g} s)" if worst is not None else ""
        told[name] = f"`{template}`, HTTP request to final answer, median{tail}"
    yield from aims(figures, {**LOCAL, **told})


def answers(result: Result) -> Iterator[str]:
    """Yield the section of bench/results/answers.json."""
    embedded, baseline = result["embedded"], result["full_text_only"]
    count = embedded["all"]
    yield (
        f"{count['answerable']} labelled questions over the demo corpus and {count['unanswerable']} that it cannot "
        "answer. Thresholds were chosen on the tuning questions; the way coverage is computed was changed once after a "
        "look at the holdout, so that it is not strictly blind."
    )
    yield ""
    rows = [
        [
            words,
            *(f"{one[name]:.3f}" for one in (count, embedded["holdout"], baseline["all"])),
            str(result["aims"].get(name, "")),
        ]
        for name, words in ANSWERS.items()
    ]
    yield from table(["share", "all", "holdout", "full-text search alone", "aim"], rows)
