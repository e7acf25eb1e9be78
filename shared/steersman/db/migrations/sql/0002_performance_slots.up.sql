-- Workers that finish at once would wait for each other's commits at the one row of their agent's hour: each takes a
-- row of its own, chosen by a lock that nobody else holds. Readers sum over the slots.
ALTER TABLE agent_performance ADD COLUMN slot smallint NOT NULL DEFAULT 0;
ALTER TABLE agent_performance DROP CONSTRAINT agent_performance_pkey,
  ADD CONSTRAINT agent_performance_pkey PRIMARY KEY (project_id, agent_id, capability, bucket_start, slot);
