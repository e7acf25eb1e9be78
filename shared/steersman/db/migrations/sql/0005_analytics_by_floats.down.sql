DROP VIEW task_analytics;

CREATE VIEW task_analytics AS
SELECT project_id, template_name, status,
       count(*) AS tasks,
       avg(extract(epoch FROM finished_at - created_at)) AS duration_s_mean,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM finished_at - created_at)) AS duration_s_p50,
       percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM finished_at - created_at)) AS duration_s_p99,
       avg(quality_score) AS quality_mean,
       sum(cost_usd) AS cost_usd,
       sum(tokens) AS tokens,
       sum(business_value_usd) AS business_value_usd
FROM task_histories
WHERE id >= first_id_at(now() - interval '24 hours')
GROUP BY project_id, template_name, status;
