DROP VIEW task_analytics;

-- Both percentiles of one sort; seconds as double precision, which sorts and adds many times faster than numeric.
CREATE VIEW task_analytics AS
SELECT project_id, template_name, status, tasks, duration_s_mean, durations_s[1] AS duration_s_p50,
       durations_s[2] AS duration_s_p99, quality_mean, cost_usd, tokens, business_value_usd
FROM (
  SELECT project_id, template_name, status,
         count(*) AS tasks,
         avg(date_part('epoch', finished_at - created_at)) AS duration_s_mean,
         percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY date_part('epoch', finished_at - created_at)) AS durations_s,
         avg(quality_score) AS quality_mean,
         sum(cost_usd) AS cost_usd,
         sum(tokens) AS tokens,
         sum(business_value_usd) AS business_value_usd
  FROM task_histories
  WHERE id >= first_id_at(now() - interval '24 hours')
  GROUP BY project_id, template_name, status
) AS summed;
