ALTER TABLE task_stages DROP COLUMN waiting_for;

DROP TABLE project_limits;
