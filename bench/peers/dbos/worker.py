"""A worker: runs workflows of the queue until it is told to stop (SIGTERM)."""

import signal
import threading

from dbos import DBOS  # type: ignore[import-not-found]

from bench.peers.dbos.workflows import QUEUE, WORKFLOWS_AT_ONCE, settings

_POLLING_S = 0.02


def main() -> None:
    """Register the queue and work."""
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    DBOS(config=settings())
    DBOS.launch()
    DBOS.register_queue(QUEUE, worker_concurrency=WORKFLOWS_AT_ONCE, polling_interval_sec=_POLLING_S)
    stopped.wait()
    DBOS.destroy()


if __name__ == "__main__":
    main()
