SELECT ward, COUNT(*) AS patients, AVG(age) AS mean_age
FROM extract
GROUP BY ward
ORDER BY ward
