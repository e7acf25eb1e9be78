-- A stage keeps every token that is not answered: an old message that comes again must not take a newer one's place.
ALTER TABLE stage_tokens DROP CONSTRAINT stage_tokens_pkey, ADD PRIMARY KEY (task_id, stage, token);
