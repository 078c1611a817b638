-- Which run of its sensor saw a session, and which run runs now: what an earlier run saw and did not see the
-- end of cannot be told of any more. Empty: a sensor that tells no run.
ALTER TABLE session_fact {on_cluster} ADD COLUMN IF NOT EXISTS run LowCardinality(String);
ALTER TABLE sensor_hello {on_cluster} ADD COLUMN IF NOT EXISTS run String;
