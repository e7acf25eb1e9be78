"""Other people's durable engines on the research DAG, beside Steersman: `python -m bench.peers`."""
