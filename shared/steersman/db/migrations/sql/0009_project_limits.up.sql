-- A limit that is null, or a project without a row, means that there is none.
CREATE TABLE project_limits (
  project_id          uuid PRIMARY KEY REFERENCES projects,
  max_running_stages  integer CHECK (max_running_stages > 0),
  updated_by          text NOT NULL,
  created_at          timestamptz NOT NULL DEFAULT now(),
  updated_at          timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER touch BEFORE UPDATE ON project_limits FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

-- What a stage that was put back waits for. It holds while the stage is ready and nobody has a lease of it, so that
-- nothing that happens later need empty it.
ALTER TABLE task_stages ADD COLUMN waiting_for text;
