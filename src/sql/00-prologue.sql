\echo Use "CREATE EXTENSION smsr" to load this file. \quit

-- Nothing in this schema is for everybody: each function that a role other
-- than the owner may call is granted by name, at the end of the script.
