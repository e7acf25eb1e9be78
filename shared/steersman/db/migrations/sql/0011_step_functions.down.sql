DROP TABLE stage_tokens;
ALTER TABLE task_dag_templates DROP COLUMN state_machine;
