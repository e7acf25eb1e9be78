"""How fast the engine is: `python -m bench.engine` (make bench), or one run: `python -m bench.engine run --help`.

Two worker processes run the handlers of `functions/stages/`, a third submits through the handler of the tasks API.
PostgreSQL (fsync on) and Redis are real; SQS is stood in for by `bench.sqs`, whose Redis is one of its own.

    __main__.py   the command line            series.py             the runs of `make bench`, and their medians
    run.py        one run, as figures         plan.py               what it is to do
    workload.py   the research DAG            bed.py, servers.py    what it happens on
    worker.py, submitter.py, children.py, channel.py                its processes, and how they are talked to
    readings.py, meters.py, counts.py                               what counts up, and where it is read
"""
