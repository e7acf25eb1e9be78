DELETE FROM stage_tokens k USING stage_tokens newer
WHERE newer.task_id = k.task_id AND newer.stage = k.stage AND (newer.created_at, newer.token) > (k.created_at, k.token);
ALTER TABLE stage_tokens DROP CONSTRAINT stage_tokens_pkey, ADD PRIMARY KEY (task_id, stage);
