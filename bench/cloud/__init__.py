"""The research DAG through the whole local cloud, HTTP in and HTTP out: `python -m bench.cloud`."""
