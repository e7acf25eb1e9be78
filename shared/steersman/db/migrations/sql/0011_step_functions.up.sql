-- The version of the state machine that a template was compiled to, for the orchestrator step_functions.
ALTER TABLE task_dag_templates ADD COLUMN state_machine text;

-- What a state machine asked of a stage, and waits for the answer to. `attempt` is the stage's when it was asked.
CREATE TABLE stage_tokens (
  task_id     uuid NOT NULL,
  stage       text NOT NULL,
  move        text NOT NULL,
  token       text NOT NULL,
  attempt     smallint NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (task_id, stage)
);
