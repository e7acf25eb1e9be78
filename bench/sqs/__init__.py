"""SQS stood in for at the botocore level, on Redis streams, with a receiver that acts as Lambda's event source.

A sender pays for all of botocore (building, signing and parsing of each call) but for no network to AWS: the call is
answered from the event `before-send`, and its messages go into a Redis server of their own that keeps an append-only
file. For measuring and for breaking things; no part of the product.

    install(client, redis_url)                      sender.py: what a boto3 client or session sends goes into Redis
    Receiver(redis_url, queues=[...], consumer=…)   receiver.py: batches as Lambda events, settled by the answer
    SenderFaults, ReceiverFaults                    faults.py: how calls fail, and messages come twice, late, mixed up
    read_counts, depth, dead_letters                figures.py: what was called and sent, and what waits
"""
