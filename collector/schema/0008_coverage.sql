-- Which run of its sensor said how far something is seen: of the host as a whole the run that runs now has the last word.
ALTER TABLE coverage_fact {on_cluster} ADD COLUMN IF NOT EXISTS run LowCardinality(String);
