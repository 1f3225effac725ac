SELECT ward, COUNT(*) AS patients, AVG(days) AS mean_days
FROM extract
GROUP BY ward
ORDER BY ward
