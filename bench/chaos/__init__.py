"""Nothing lost, whatever is killed: real processes under load are killed, stalled, skewed and cut off, by a seed.

What everybody did is written down by independent witnesses (the agents, the submitters, followers of tasks, a trigger
in the database); afterwards a checker holds the product's rows, logs, streams and dead letters against them.
`python -m bench.chaos`.
"""
