-- Workers that finish at once would wait for each other's commits at the one row of their agent's hour: each takes a
-- row of its own, chosen by a lock that nobody else holds. Readers sum over the slots.
ALTER TABLE agent_performance ADD COLUMN slot smallint NOT NULL DEFAULT 0;
ALTER TABLE agent_performance DROP CONSTRAINT agent_performance_pkey,
  ADD CONSTRAINT agent_performance_pkey PRIMARY KEY (project_id, agent_id, capability, bucket_start, slot);

-- The lowest slot that no other transaction uses now; it is ours until our transaction ends.
CREATE FUNCTION free_performance_slot() RETURNS smallint LANGUAGE sql VOLATILE AS $$
  SELECT coalesce((SELECT slot::smallint FROM generate_series(0, 31) AS slot
                   WHERE pg_try_advisory_xact_lock(hashtext('agent_performance'), slot) LIMIT 1), 0::smallint)
$$;
