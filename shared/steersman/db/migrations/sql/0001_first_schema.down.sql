DROP VIEW agent_performance_summary, task_analytics;

DROP TABLE idempotency_keys, evidence_chains, evidence, document_chunks, documents, agent_health, agent_performance,
  agent_capabilities, agents, task_stage_logs, task_stages, task_histories, task_dag_templates, projects;

DROP SEQUENCE agent_health_id, task_stage_logs_id;

DROP FUNCTION drop_history_partitions(date), create_history_partitions(date), first_id_at(timestamptz),
  refuse_change(), touch_updated_at();

DROP EXTENSION vector;
