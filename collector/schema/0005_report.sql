-- The hosts that there should be, from the file that the collector's settings name. Each loading writes the whole
-- list in one block, with its own time; the list in force is the one of the last loading, and an empty `name` is its
-- heading, so that an empty list is one too. No TTL: a list that does not change stays the list.
CREATE TABLE IF NOT EXISTS asset_list {on_cluster}
(
    name       String,
    address    Nullable(String),
    owner      Nullable(String),
    host_group LowCardinality(Nullable(String)),
    digest     String,
    loaded     DateTime64(6, 'UTC')
)
ENGINE = {engine:ReplacingMergeTree(loaded)}
ORDER BY name
SETTINGS non_replicated_deduplication_window = 1000;
