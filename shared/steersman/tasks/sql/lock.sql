-- Keep the rows of tasks: who changes their status waits for the end of this transaction.
SELECT FROM (SELECT * FROM unnest(%(task_ids)s::uuid[]) AS n (id) ORDER BY id LIMIT %(count)s) n
JOIN task_histories t ON t.id = n.id
ORDER BY t.id
FOR UPDATE OF t
