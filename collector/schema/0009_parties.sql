-- Who else was at the ends of a session, and who else listens where its client does. Empty text: one that is not known.
ALTER TABLE session_fact {on_cluster} ADD COLUMN IF NOT EXISTS other_server_addresses Array(String);
ALTER TABLE session_fact {on_cluster} ADD COLUMN IF NOT EXISTS other_client_addresses Array(String);
ALTER TABLE session_fact {on_cluster} ADD COLUMN IF NOT EXISTS other_server_users Array(String);
ALTER TABLE session_fact {on_cluster} ADD COLUMN IF NOT EXISTS others_serve Array(String);
