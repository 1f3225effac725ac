SELECT customers.segment AS segment, audience.topic AS topic, COUNT(*) AS people
FROM customers
JOIN audience ON customers.email = audience.email
GROUP BY customers.segment, audience.topic
ORDER BY people DESC
