ALTER TABLE agent_performance DROP CONSTRAINT agent_performance_pkey;
WITH summed AS (
  DELETE FROM agent_performance RETURNING *
)
INSERT INTO agent_performance (agent_id, project_id, capability, bucket_start, calls, failures, timeouts,
  duration_ms_sum, duration_ms_max, cost_usd, tokens, quality_sum, quality_count)
SELECT agent_id, project_id, capability, bucket_start, sum(calls), sum(failures), sum(timeouts), sum(duration_ms_sum),
       max(duration_ms_max), sum(cost_usd), sum(tokens), sum(quality_sum), sum(quality_count)
FROM summed
GROUP BY agent_id, project_id, capability, bucket_start;
ALTER TABLE agent_performance ADD CONSTRAINT agent_performance_pkey
  PRIMARY KEY (project_id, agent_id, capability, bucket_start);
ALTER TABLE agent_performance DROP COLUMN slot;
