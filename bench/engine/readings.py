"""Everything that counts up, read at one moment."""

from collections import Counter
from dataclasses import dataclass

import psutil

from bench.engine.bed import Bed
from bench.engine.meters import cpu_s, server_counts
from bench.sqs.figures import read_counts


@dataclass(frozen=True)
class Reading:
    """Everything that counts up, at one moment."""

    cpu: dict[str, float]
    machine: dict[str, float]
    server: dict[str, float]
    queue: dict[str, int]
    calls: Counter[str]
    functions: dict[str, Counter[str]]
    log_bytes: int

    @classmethod
    def of(cls, bed: Bed) -> "Reading":
        calls: Counter[str] = Counter()
        functions: dict[str, Counter[str]] = {}
        for child in bed.workers:
            told = child.ask()
            calls.update(told["calls"])
            for name, done in told["functions"].items():
                functions.setdefault(name, Counter()).update(done)
        told = bed.submitter.ask(move="report")
        calls.update(told["calls"])
        functions["api.tasks"] = Counter(told["function"])
        logs = sum(child.log.stat().st_size for child in (*bed.workers, bed.submitter))
        return cls(
            cpu=cpu_s(bed.processes),
            machine=psutil.cpu_times()._asdict(),
            server=server_counts(bed.admin, bed.cache),
            queue=read_counts(bed.queues),
            calls=calls,
            functions=functions,
            log_bytes=logs,
        )
