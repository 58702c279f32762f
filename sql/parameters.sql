-- Configuration parameters: what they are, who may set them, what they refuse.
-- in a session that has not loaded the library yet
SELECT name FROM pg_settings WHERE name LIKE 'smsr.%' AND source = 'default';
SELECT smsr.setting('spi'), smsr.setting('shard'), smsr.setting('default_validity');
SELECT smsr.setting('validity');
SELECT name, unit, context, vartype, min_val, max_val, enumvals, boot_val
FROM pg_settings WHERE name LIKE 'smsr.%' ORDER BY name COLLATE "C";
SELECT name FROM pg_settings WHERE name LIKE 'smsr.%' AND short_desc IS NULL;

SET smsr.spi = '1639';
SET smsr.spi = '06ff';
SET smsr.spi = '163';
SET smsr.spi = '16390';
SET smsr.spi = '16 9';
SET smsr.spi = '';
SET smsr.max_segments = 33;
SET smsr.max_segments = 0;
SET smsr.default_validity = '2h';
SHOW smsr.default_validity;
SELECT smsr.setting('default_validity')::interval;
SET smsr.delete_enabled = 'perhaps';
SET smsr.eum_signature = 'required';
SET smsr.tp_dcs = 256;
-- 255 characters, whatever octets they take
SELECT length(set_config('smsr.reason', repeat('é', 255), false));
SELECT length(set_config('smsr.reason', repeat('e', 256), false));
SELECT length(smsr.setting('reason'));
RESET smsr.reason;
-- those of the whole database are no session's
SET smsr.shard = 1;
SET smsr.smsr_id = '1.2.3';
-- a misspelt one is not kept
SET smsr.validity = 1;

-- what the parameter of the whole database may be
ALTER SYSTEM SET smsr.smsr_id = 'SM-SR';
ALTER SYSTEM SET smsr.smsr_id = '3.1';
ALTER SYSTEM SET smsr.smsr_id = '1';
ALTER SYSTEM SET smsr.smsr_id = '1.';
ALTER SYSTEM SET smsr.smsr_id = '1.02';
ALTER SYSTEM SET smsr.smsr_id = '1.3.6.1.4.1.x';
ALTER SYSTEM SET smsr.shard = 1024;

-- A party changes nothing, and does not learn where the key is.
CREATE ROLE regress_smsr_party;
GRANT USAGE ON SCHEMA smsr TO regress_smsr_party;
GRANT EXECUTE ON FUNCTION smsr.setting(text) TO regress_smsr_party;
SET ROLE regress_smsr_party;
SET smsr.spi = '0000';
SET smsr.delete_enabled = 'refuse';
\set VERBOSITY sqlstate
SHOW smsr.kek_file;
SELECT smsr.setting('kek_file');
\set VERBOSITY default
SELECT count(*) FROM pg_settings WHERE name = 'smsr.kek_file';
SHOW smsr.max_segments;
RESET ROLE;
DROP OWNED BY regress_smsr_party;
DROP ROLE regress_smsr_party;
