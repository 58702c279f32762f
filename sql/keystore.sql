-- The keystore: rules for key files, storage keys and their rotation, packets
-- under keys that SQL never sees.
SET client_min_messages = warning;
LOAD 'smsr';
\set SHOW_CONTEXT never
\pset null '(null)'

-- a directory of the server's user, outside the data directory
CREATE TABLE key_dir (path text);
COPY key_dir FROM PROGRAM 'mktemp -d /tmp/smsr-keystore.XXXXXX';
SELECT path AS dir FROM key_dir \gset

CREATE FUNCTION in_dir(command text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('COPY (SELECT) TO PROGRAM %L', format('umask 077; cat > /dev/null; cd %s && %s', (SELECT path FROM key_dir), command));
END $$;
-- what it says, without the names that differ from run to run
CREATE FUNCTION try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
	state text;
	message text;
	detail text;
	hint text;
BEGIN
	EXECUTE statement INTO result;
	RETURN coalesce(result, '(null)');
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
		detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN replace(replace(regexp_replace(concat_ws(E'\n  ', state || ': ' || message, nullif(detail, ''), nullif(hint, '')),
		'aes:[0-9a-f]{6}', 'aes:NAME'),
		(SELECT path FROM key_dir), 'DIR'), current_setting('data_directory'), 'PGDATA');
END $$;

SELECT in_dir('head -c 32 /dev/urandom > kek');
SELECT in_dir('od -An -v -tx1 kek | tr -d " \n" > kek.hex; echo >> kek.hex');
SELECT in_dir('tr a-f A-F < kek.hex | tr -d "\n" > kek.upper; printf "\r\n" >> kek.upper');
SELECT in_dir('head -c 32 /dev/urandom > other');
SELECT in_dir('printf 000102030405060708090a0b0c0d0e0f > transport; printf 00010203 > short; head -c 33 /dev/zero > long');
SELECT in_dir('printf 000102030405060708090a0b0c0d0e0f0001020304050g > nohex; head -c 31 kek > kek.31; cat kek kek > kek.64; : > empty');
SELECT in_dir('cp kek group; chmod 640 group; cp kek world; chmod 604 world; ln -s kek link; mkfifo fifo; mkdir directory');

-- names of KEKs are of random keys here
CREATE VIEW keystore AS
	SELECT provider, kek ~ '^aes:[0-9a-f]{6}$' AS kek,
		regexp_replace(replace(kek_problem, (SELECT path FROM key_dir), 'DIR'), 'aes:[0-9a-f]{6}', 'aes:NAME') AS kek_problem,
		former_provider AS former, former_kek ~ '^aes:[0-9a-f]{6}$' AS former_kek,
		regexp_replace(replace(former_kek_problem, (SELECT path FROM key_dir), 'DIR'), 'aes:[0-9a-f]{6}', 'aes:NAME') AS former_problem,
		active_storage_key AS active, storage_keys AS keys, to_rewrap, kek_visits AS visits
	FROM smsr.keystore_status();

-- ---- without a KEK nothing goes ----

SELECT * FROM keystore;
SELECT try('SELECT smsr.create_storage_key()');
SELECT try($$SELECT smsr.import_transport_key('1.3.6.1.4.1.99999.1', 'aes-kw', '\x00', '\x000000')$$);

-- ---- rules for key files: the KEK's and a transport key's are the same ----

CREATE FUNCTION try_file(name text) RETURNS text LANGUAGE sql AS $$
	SELECT try(format('SELECT sealed FROM smsr.seal_key_file(''transport'', %L, %L, 1::smallint, %L)',
		'1.3.6.1.4.1.99999.1', 'aes-kw', (SELECT path FROM key_dir) || '/' || name))
$$;
SELECT name, try_file(name) FROM unnest(ARRAY['missing', 'group', 'world', 'link', 'fifo', 'directory',
	'empty', 'short', 'long', 'nohex', 'kek.64']) AS name;
SELECT try($$SELECT sealed FROM smsr.seal_key_file('transport', '1', 'aes-kw', 1::smallint, 'transport')$$);
SELECT try($$SELECT sealed FROM smsr.seal_key_file('transport', '1', 'none', 1::smallint, '/transport')$$);
SELECT try($$SELECT sealed FROM smsr.seal_key_file('transport', '1', 'aes-kw', 256::smallint, '/transport')$$);
-- by any name, and however deep
SELECT in_dir(format('ln -s %s data; mkdir %s/smsr_keystore_test; cp kek %s/smsr_keystore_test/kek',
	d, d, d)) FROM current_setting('data_directory') AS d;
SELECT try_file('data/smsr_keystore_test/kek');
SELECT try_file('data/postgresql.auto.conf');

-- ---- a KEK that breaks the rules ----

\set kek :dir/world
ALTER SYSTEM SET smsr.kek_file = :'kek';
\setenv SMSR_KEK :kek
SELECT pg_reload_conf();
\! until [ "$(psql -XAtqc 'SHOW smsr.kek_file' postgres)" = "$SMSR_KEK" ]; do sleep 0.1; done
SELECT try('SELECT smsr.create_storage_key()');
SELECT * FROM keystore;

\set kek :dir/data/smsr_keystore_test/kek
ALTER SYSTEM SET smsr.kek_file = :'kek';
\setenv SMSR_KEK :kek
SELECT pg_reload_conf();
\! until [ "$(psql -XAtqc 'SHOW smsr.kek_file' postgres)" = "$SMSR_KEK" ]; do sleep 0.1; done
SELECT try('SELECT smsr.create_storage_key()');

\set kek :dir/kek.31
ALTER SYSTEM SET smsr.kek_file = :'kek';
\setenv SMSR_KEK :kek
SELECT pg_reload_conf();
\! until [ "$(psql -XAtqc 'SHOW smsr.kek_file' postgres)" = "$SMSR_KEK" ]; do sleep 0.1; done
SELECT try('SELECT smsr.create_storage_key()');

-- ---- one that is right ----

\set kek :dir/kek
ALTER SYSTEM SET smsr.kek_file = :'kek';
\setenv SMSR_KEK :kek
SELECT pg_reload_conf();
\! until [ "$(psql -XAtqc 'SHOW smsr.kek_file' postgres)" = "$SMSR_KEK" ]; do sleep 0.1; done
SELECT * FROM keystore;
SELECT try($$SELECT smsr.seal_key_file('transport', '1', 'aes-kw', 1::smallint, (SELECT path || '/transport' FROM key_dir))$$);

-- what an aborted transaction has cached must not seal what stays
BEGIN;
SELECT smsr.create_storage_key();
SELECT length(sealed), check_value FROM smsr.seal_key_file('transport', '1', 'aes-kw', 1::smallint, :'dir' || '/transport');
ROLLBACK;
SELECT smsr.create_storage_key();
SELECT id, length(wrapped) AS wrapped, state FROM smsr.storage_key;
SELECT smsr.import_transport_key('1.3.6.1.4.1.99999.1', 'none');
\set eis `cat test/eis/eis.xml`
-- its signature is a placeholder
SET smsr.eum_signature = 'unchecked';
SELECT smsr.register_eis(:'eis');

CREATE VIEW card AS
	SELECT eid, sd_aid, kvn, key_type, sealed,
		'\xAAB78636E825A093D6323F6BF0C64FB2'::bytea AS kic, '\xF6211271F9E372580A84F416FBADBA6F'::bytea AS kid
	FROM smsr.keyset WHERE kvn = 2;

-- as another backend sees it
\c -
SET client_min_messages = warning;
\pset null '(null)'
-- the key set's packets are those of its keys
CREATE TABLE packet AS
	SELECT smsr.seal_command(eid, sd_aid, kvn, key_type, sealed, '\x1639', '\x000001', 7, '\xAA022200') AS sealed_by,
		smsr.scp80_command('\x1639', '\x22', '\x22', '\x000001', 7, kic, kid, '\xAA022200') AS keyed_by
	FROM card;
SELECT sealed_by = keyed_by AS same, length(sealed_by) FROM packet;
SELECT smsr.seal_command(eid, sd_aid, kvn, key_type, sealed, '\x1639', '\x000001', 7, '\xAA022200', 'cat_tp')
	= smsr.scp80_command('\x1639', '\x22', '\x22', '\x000001', 7, kic, kid, '\xAA022200', 'cat_tp') AS same FROM card;
SELECT * FROM smsr.peek_command((SELECT sealed_by FROM packet));
SELECT o.* FROM card, LATERAL smsr.unseal_command(eid, sd_aid, kvn, key_type, sealed, (SELECT keyed_by FROM packet)) AS o;
SELECT o.* FROM card, LATERAL smsr.unseal_command(eid, sd_aid, kvn, key_type, sealed,
	smsr.scp80_command('\x0200', '\x20', '\x22', '\x000001', 0, '', kid, '\xE100')) AS o;
-- a packet that asks for no checksum is not authentic, whatever it holds; nor is one by another key's number
SELECT o.authentic, o.data FROM card, LATERAL smsr.unseal_command(eid, sd_aid, kvn, key_type, sealed,
	smsr.scp80_command('\x0000', '\x00', '\x00', '\x000001', 0, '', '', '\xE100')) AS o;
SELECT o.authentic, o.data FROM card, LATERAL smsr.unseal_command(eid, sd_aid, kvn, key_type, sealed,
	smsr.scp80_command('\x0100', '\x00', '\x01', '\x000001', 0, '', '', '\xE100')) AS o;
SELECT o.authentic, o.data FROM card, LATERAL smsr.unseal_command(eid, sd_aid, kvn, key_type, sealed,
	smsr.scp80_command('\x0200', '\x30', '\x32', '\x000001', 0, '', kid, '\xE100')) AS o;
SELECT o.authentic, o.data FROM card, LATERAL smsr.unseal_command(eid, sd_aid, kvn, key_type, sealed,
	smsr.scp80_command('\x0200', '\x20', '\x22', '\x000001', 0, '', kic, '\xE100')) AS o;
-- responses
SELECT o.* FROM card, LATERAL smsr.unseal_response(eid, sd_aid, kvn, key_type, sealed, '\x39',
	smsr.scp80_response('\x39', '\x22', '\x22', '\x000001', 7, 0, kic, kid, '\xAB0780010123029000')) AS o;
SELECT o.authentic, o.data FROM card, LATERAL smsr.unseal_response(eid, sd_aid, kvn, key_type, sealed, '\x39',
	smsr.scp80_response('\x39', '\x22', '\x22', '\x000001', 7, 0, kic, kic, '\xAB0780010123029000')) AS o;
SELECT try($$SELECT smsr.unseal_response(eid, sd_aid, kvn, key_type, sealed, '\x39', '\x0102') FROM card$$);
SELECT try($$SELECT smsr.unseal_command(eid, sd_aid, kvn, key_type, sealed, '\x') FROM card$$);
SELECT try($$SELECT smsr.peek_command('\x001015')$$);
SELECT * FROM smsr.sms_header('\x027000AABB');
SELECT * FROM smsr.sms_header('\x070003A50201700000');
SELECT * FROM smsr.sms_header('\x050003A50202CC');
SELECT try($$SELECT smsr.sms_header('\x05')$$);
-- arguments
SELECT try($$SELECT smsr.seal_command(eid, sd_aid, kvn, key_type, sealed, '\x16', '\x000001', 7, '\x00') FROM card$$);
SELECT try($$SELECT smsr.seal_command(eid, sd_aid, kvn, key_type, sealed, '\x1639', '\x01', 7, '\x00') FROM card$$);
SELECT try($$SELECT smsr.seal_command(eid, sd_aid, kvn, key_type, sealed, '\x1639', '\x000001', -1, '\x00') FROM card$$);
SELECT try($$SELECT smsr.seal_command(eid, sd_aid, kvn, key_type, sealed, '\x1639', '\x000001', 1099511627776, '\x00') FROM card$$);
SELECT try($$SELECT smsr.seal_command(eid, sd_aid, kvn, key_type, sealed, '\x1639', '\x000001', 7, '\x00', 'https') FROM card$$);
SELECT try($$SELECT smsr.seal_command(eid, sd_aid, 16::smallint, key_type, sealed, '\x1639', '\x000001', 7, '\x00') FROM card$$);
SELECT smsr.seal_command(eid, sd_aid, kvn, key_type, NULL, '\x1639', '\x000001', 7, '\x00') FROM card;

-- in parallel workers
SELECT count(set_config(name, 'on', false)) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
SELECT smsr.seal_command(eid, sd_aid, kvn, key_type, sealed, '\x1639', '\x000001', 7, '\xAA022200') = (SELECT keyed_by FROM packet) AS same FROM card;
SELECT count(set_config(name, 'off', false)) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');

-- ---- a blob opens in its own row only ----

SELECT what, try(format('SELECT length(smsr.seal_command(%L, %L, %s::smallint, %s::smallint, %L, %L, %L, 7, %L))',
		coalesce(w.eid, c.eid), coalesce(w.aid, c.sd_aid), coalesce(w.kvn, c.kvn), coalesce(w.type, c.key_type),
		coalesce(w.sealed, c.sealed), '\x1639', '\x000001', '\xAA022200'))
FROM card AS c, LATERAL (VALUES
		('its own row', NULL::smsr.eid, NULL::smsr.aid, NULL::int, NULL::int, NULL::bytea),
		('another eUICC', '89049032001000000100000090000248', NULL, NULL, NULL, NULL),
		('another security domain', NULL, 'A0000005591010FFFFFFFF8900000200', NULL, NULL, NULL),
		('another version', NULL, NULL, 3, NULL, NULL),
		('another type', NULL, NULL, NULL, 128, NULL),
		('an altered octet', NULL, NULL, NULL, NULL, set_byte(c.sealed, 30, get_byte(c.sealed, 30) # 1)),
		('cut short', NULL, NULL, NULL, NULL, substr(c.sealed, 1, 20)),
		('another format', NULL, NULL, NULL, NULL, set_byte(c.sealed, 0, 2)),
		('another storage key', NULL, NULL, NULL, NULL, set_byte(c.sealed, 4, 9))
	) AS w (what, eid, aid, kvn, type, sealed);

-- ---- rotation ----

SELECT smsr.create_storage_key();
SELECT id, state FROM smsr.storage_key ORDER BY id;
SELECT id, length(wrapped), state FROM smsr.storage_key WHERE state = 'active';
SELECT smsr.seal_command(eid, sd_aid, kvn, key_type, sealed, '\x1639', '\x000001', 7, '\xAA022200') = (SELECT keyed_by FROM packet) AS same FROM card;
SELECT substr(sealed, 1, 5) FROM smsr.seal_key_file('transport', '1', 'aes-kw', 1::smallint, (SELECT path || '/transport' FROM key_dir));
-- a row under another id is another key: the cache must see that it has changed
BEGIN;
UPDATE smsr.storage_key SET id = id + 10;
UPDATE smsr.storage_key SET id = CASE id WHEN 11 THEN 2 ELSE 1 END;
SELECT try($$SELECT smsr.seal_command(eid, sd_aid, kvn, key_type, sealed, '\x1639', '\x000001', 7, '\xAA022200') FROM card$$);
ROLLBACK;
SELECT smsr.seal_command(eid, sd_aid, kvn, key_type, sealed, '\x1639', '\x000001', 7, '\xAA022200') = (SELECT keyed_by FROM packet) AS same FROM card;

-- what the former one sealed is sealed again, a few at a time, and what does not open keeps nobody from it
SELECT smsr.import_transport_key_file('1.3.6.1.4.1.99999.2', 'aes-kw', (SELECT path || '/transport' FROM key_dir));
BEGIN;
UPDATE smsr.storage_key SET state = 'retiring' WHERE state = 'active';
UPDATE smsr.storage_key SET state = 'active' WHERE id = 1;
SELECT smsr.import_transport_key_file('1.3.6.1.4.1.99999.2', 'aes-kw', (SELECT path || '/transport' FROM key_dir));
UPDATE smsr.storage_key SET state = 'retiring' WHERE id = 1;
UPDATE smsr.storage_key SET state = 'active' WHERE id = 2;
INSERT INTO smsr.keyset (eid, sd_aid, kvn, type, key_type, sealed)
	SELECT eid, sd_aid, n, 'SCP80', key_type, set_byte(sealed, 30, get_byte(sealed, 30) # 1) FROM card, generate_series(14, 15) AS n;
COMMIT;
CREATE TABLE before AS SELECT eid, sd_aid, kvn, sealed FROM smsr.keyset;
SELECT id, state, key_sets, transport_keys FROM smsr.storage_key_use ORDER BY id;
SELECT smsr.reseal_keys(1);
SELECT id, state, key_sets, transport_keys FROM smsr.storage_key_use ORDER BY id;
SELECT smsr.reseal_keys(2);
SELECT smsr.reseal_keys();
SELECT id, state, key_sets, transport_keys FROM smsr.storage_key_use ORDER BY id;
-- these do not open: they are as they were, and hold the storage key
SELECT k.kvn FROM smsr.keyset AS k JOIN before AS b USING (eid, sd_aid, kvn, sealed) ORDER BY 1;
DELETE FROM smsr.keyset WHERE kvn IN (14, 15);
SELECT smsr.reseal_keys();
SELECT id, state, key_sets, transport_keys FROM smsr.storage_key_use ORDER BY id;
SELECT smsr.reseal_keys();
-- the same keys, in their places only
SELECT bool_and(smsr.sealed_keyset_opens(k.eid, k.sd_aid, k.kvn, k.key_type, k.sealed)) AS open,
	bool_or(smsr.sealed_keyset_opens(k.eid, k.sd_aid, (k.kvn + 1)::smallint, k.key_type, k.sealed)) AS elsewhere FROM smsr.keyset AS k;
SELECT smsr.seal_command(eid, sd_aid, kvn, key_type, sealed, '\x1639', '\x000001', 7, '\xAA022200') = (SELECT keyed_by FROM packet) AS same FROM card;
SELECT eum_id, id, substr(sealed, 2, 4) AS storage_key, smsr.reseal_key('transport', eum_id, mode, id, sealed) IS NOT NULL AS opens,
	smsr.reseal_key('transport', eum_id, mode, (id + 1)::smallint, sealed) IS NOT NULL AS elsewhere
	FROM smsr.transport_key WHERE sealed IS NOT NULL ORDER BY 1, 2;
SELECT smsr.reseal_keys(0);
-- a straggler: sealed under a key that is retired already
UPDATE smsr.keyset AS k SET sealed = b.sealed FROM before AS b WHERE (k.eid, k.sd_aid, k.kvn) = (b.eid, b.sd_aid, b.kvn);
SELECT key_sets > 0 AS straggles FROM smsr.storage_key_use WHERE state = 'retired';
SELECT try('SELECT smsr.destroy_storage_key(1)');
SELECT smsr.reseal_keys();
SELECT id, state, key_sets, transport_keys FROM smsr.storage_key_use ORDER BY id;
DROP TABLE before;
DELETE FROM smsr.transport_key WHERE eum_id = '1.3.6.1.4.1.99999.2';

-- ---- another KEK ----

SELECT path AS dir FROM key_dir \gset
\set kek :dir/other
\set former :dir/kek
ALTER SYSTEM SET smsr.former_kek_provider = 'file';
ALTER SYSTEM SET smsr.former_kek_file = :'former';
ALTER SYSTEM SET smsr.kek_file = :'kek';
\setenv SMSR_KEK :kek
SELECT pg_reload_conf();
\! until [ "$(psql -XAtqc 'SHOW smsr.kek_file' postgres)" = "$SMSR_KEK" ]; do sleep 0.1; done
\c -
SET client_min_messages = warning;
\pset null '(null)'
SELECT * FROM keystore;
-- both open, the current one seals
SELECT smsr.seal_command(eid, sd_aid, kvn, key_type, sealed, '\x1639', '\x000001', 7, '\xAA022200') = (SELECT keyed_by FROM packet) AS same FROM card;
SELECT smsr.create_storage_key();
SELECT count(DISTINCT kek) AS keks FROM smsr.storage_key;
SELECT * FROM keystore;
CREATE TABLE wrapped_before AS SELECT id, wrapped, check_value FROM smsr.storage_key;
SELECT smsr.rewrap_storage_keys();
SELECT count(*) AS same_keys, bool_or(s.wrapped = b.wrapped) FILTER (WHERE s.id < 3) AS same_wrapping
	FROM smsr.storage_key AS s JOIN wrapped_before AS b USING (id, check_value);
SELECT * FROM keystore;
SELECT try('SELECT smsr.rewrap_storage_key(0)');
SELECT try('SELECT smsr.rewrap_storage_key(99)');
-- the former one is not needed any more
ALTER SYSTEM RESET smsr.former_kek_provider;
ALTER SYSTEM RESET smsr.former_kek_file;
\set kek :dir/./other
ALTER SYSTEM SET smsr.kek_file = :'kek';
\setenv SMSR_KEK :kek
SELECT pg_reload_conf();
\! until [ "$(psql -XAtqc 'SHOW smsr.kek_file' postgres)" = "$SMSR_KEK" ]; do sleep 0.1; done
\c -
SET client_min_messages = warning;
\pset null '(null)'
SELECT smsr.seal_command(eid, sd_aid, kvn, key_type, sealed, '\x1639', '\x000001', 7, '\xAA022200') = (SELECT keyed_by FROM packet) AS same FROM card;
SELECT smsr.reseal_keys();
SELECT id, state, key_sets FROM smsr.storage_key_use ORDER BY id;
SELECT * FROM keystore;
-- a former one that is not what it is said to be
UPDATE smsr.storage_key AS s SET wrapped = b.wrapped FROM wrapped_before AS b WHERE b.id = s.id AND s.id = 1;
SELECT try('SELECT smsr.rewrap_storage_keys()');
UPDATE smsr.storage_key SET kek = 'pkcs11:token=t;object=k' WHERE id = 1;
SELECT try('SELECT smsr.rewrap_storage_keys()');
DROP TABLE wrapped_before;
-- and all is as it was
\set kek :dir/kek
\set former :dir/other
ALTER SYSTEM SET smsr.former_kek_provider = 'file';
ALTER SYSTEM SET smsr.former_kek_file = :'former';
ALTER SYSTEM SET smsr.kek_file = :'kek';
\setenv SMSR_KEK :kek
SELECT pg_reload_conf();
\! until [ "$(psql -XAtqc 'SHOW smsr.kek_file' postgres)" = "$SMSR_KEK" ]; do sleep 0.1; done
SELECT try('SELECT smsr.destroy_storage_key(3)');
SELECT try('SELECT smsr.destroy_storage_key(99)');
SELECT smsr.destroy_storage_key(1);
SELECT id, state FROM smsr.storage_key ORDER BY id;
SELECT smsr.rewrap_storage_keys();
ALTER SYSTEM RESET smsr.former_kek_provider;
ALTER SYSTEM RESET smsr.former_kek_file;

-- ---- the same KEK in digits, and a wrong one ----

SELECT path AS dir FROM key_dir \gset
\set kek :dir/kek.hex
ALTER SYSTEM SET smsr.kek_file = :'kek';
\setenv SMSR_KEK :kek
SELECT pg_reload_conf();
\! until [ "$(psql -XAtqc 'SHOW smsr.kek_file' postgres)" = "$SMSR_KEK" ]; do sleep 0.1; done
SELECT * FROM keystore;
\set kek :dir/kek.upper
ALTER SYSTEM SET smsr.kek_file = :'kek';
\setenv SMSR_KEK :kek
SELECT pg_reload_conf();
\! until [ "$(psql -XAtqc 'SHOW smsr.kek_file' postgres)" = "$SMSR_KEK" ]; do sleep 0.1; done
SELECT * FROM keystore;
SELECT smsr.seal_command(eid, sd_aid, kvn, key_type, sealed, '\x1639', '\x000001', 7, '\xAA022200') = (SELECT keyed_by FROM packet) AS same FROM card;
\set kek :dir/other
ALTER SYSTEM SET smsr.kek_file = :'kek';
\setenv SMSR_KEK :kek
SELECT pg_reload_conf();
\! until [ "$(psql -XAtqc 'SHOW smsr.kek_file' postgres)" = "$SMSR_KEK" ]; do sleep 0.1; done
SELECT * FROM keystore;
-- this backend has unwrapped its keys already, the next one can not
SELECT smsr.seal_command(eid, sd_aid, kvn, key_type, sealed, '\x1639', '\x000001', 7, '\xAA022200') = (SELECT keyed_by FROM packet) AS same FROM card;
\c -
SET client_min_messages = warning;
SELECT try($$SELECT smsr.seal_command(eid, sd_aid, kvn, key_type, sealed, '\x1639', '\x000001', 7, '\xAA022200') FROM card$$);
SELECT try($$SELECT smsr.import_transport_key_file('1', 'aes-kw', (SELECT path || '/transport' FROM key_dir))$$);

-- ---- transport keys ----

SELECT path AS dir FROM key_dir \gset
\set kek :dir/kek
ALTER SYSTEM SET smsr.kek_file = :'kek';
\setenv SMSR_KEK :kek
SELECT pg_reload_conf();
\! until [ "$(psql -XAtqc 'SHOW smsr.kek_file' postgres)" = "$SMSR_KEK" ]; do sleep 0.1; done
SELECT smsr.import_transport_key_file('1.3.6.1.4.1.99999.1', 'aes-kw', :'dir' || '/transport');
SELECT smsr.import_transport_key_file('1.3.6.1.4.1.99999.1', '3des-ecb', :'dir' || '/transport');
SELECT eum_id, id, mode, length(sealed) AS sealed, check_value, valid_until FROM smsr.transport_key ORDER BY id;
SELECT try($$SELECT smsr.import_transport_key('1', 'none', '\x00', '\x000000')$$);
SELECT try($$SELECT smsr.import_transport_key('1', 'aes-kw')$$);
SELECT try($$SELECT smsr.import_transport_key('1', 'aes-ecb', '\x00', '\x000000')$$);
SELECT try($$SELECT smsr.import_transport_key('1', 'aes-kw', '\x1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5', '\x000000')$$);
CREATE ROLE regress_smsr_keys;
GRANT USAGE ON SCHEMA smsr TO regress_smsr_keys;
GRANT EXECUTE ON FUNCTION smsr.seal_key_file(text, text, text, smallint, text),
	smsr.new_storage_key(), smsr.seal_command(smsr.eid, smsr.aid, smallint, smallint, bytea, bytea, bytea, bigint, bytea, text)
	TO regress_smsr_keys;
GRANT SELECT ON card, packet, key_dir TO regress_smsr_keys;
SET ROLE regress_smsr_keys;
SELECT smsr.seal_key_file('transport', '1', 'aes-kw', 1::smallint, '/etc/hostname');
SELECT * FROM smsr.storage_key;
-- whoever may call it needs no privilege on the keys
SELECT smsr.seal_command(eid, sd_aid, kvn, key_type, sealed, '\x1639', '\x000001', 7, '\xAA022200') = (SELECT keyed_by FROM packet) AS same FROM card;
RESET ROLE;

-- wrapped under the KEK: a vector of RFC 5649, and its check value
DELETE FROM smsr.euicc;
DELETE FROM smsr.transport_key;
DELETE FROM smsr.storage_key;
SELECT in_dir('printf 2e8eda05e64e08f5c884118adb2f1f7a7380fa15bd7e3349b1c936d19e5929a4 > vector');
\set kek :dir/vector
ALTER SYSTEM SET smsr.kek_file = :'kek';
\setenv SMSR_KEK :kek
SELECT pg_reload_conf();
\! until [ "$(psql -XAtqc 'SHOW smsr.kek_file' postgres)" = "$SMSR_KEK" ]; do sleep 0.1; done
SELECT smsr.create_storage_key();
\set wrapped '\'\\x3823727e2e5acd08210386032e0b33a938b9915319db18c9ec6ba42abaaf3d6c84067a81e53a5bf7\''
SELECT smsr.import_transport_key('1.3', 'aes-kwp', :wrapped, '\x8246e1');
SELECT id, mode, length(sealed) FROM smsr.transport_key;
SELECT smsr.import_transport_key('1.3', 'aes-kwp', :wrapped, '\x000000');
SELECT smsr.import_transport_key('1.3', '3des-ecb', :wrapped, '\x8246e1');
-- so do master keys and components
SELECT smsr.import_master_key('master', 'kdf3', :wrapped, '\x000000');
SELECT smsr.import_master_key('master', 'kdf3', :wrapped, '\x8246e1');
SELECT smsr.import_master_key('legacy', 'visa2', :wrapped, '\x8246e1');
SELECT smsr.enter_key_component(smsr.begin_key_ceremony('1.3', 'aes-kw', 2, '\x000000'), wrapped => :wrapped);
SELECT smsr.reseal_key('master', name, scheme, 1::smallint, sealed) IS NOT NULL AS opens,
	smsr.reseal_key('master', name, 'eid-cmac', 1::smallint, sealed) IS NULL AND smsr.reseal_key('master', 'x', scheme, 1::smallint, sealed) IS NULL
		AND smsr.reseal_key('transport', name, 'aes-kw', 1::smallint, sealed) IS NULL AS nowhere_else FROM smsr.master_key;
DELETE FROM smsr.key_ceremony;
DELETE FROM smsr.master_key;

-- ---- what would be logged ----

SELECT set_config(name, value, false) FROM (VALUES ('log_statement', 'none'), ('log_min_duration_statement', '-1'),
	('log_min_duration_sample', '-1'), ('log_transaction_sample_rate', '0'), ('log_parameter_max_length', '-1'),
	('log_parameter_max_length_on_error', '0'), ('log_min_error_statement', 'panic'), ('log_min_messages', 'warning')) AS v (name, value);
SELECT setting, value FROM smsr.check_logging() WHERE setting NOT LIKE 'pg\_stat\_statements.%';
SET log_min_error_statement = 'error';
SELECT * FROM smsr.check_logging() WHERE setting NOT LIKE 'pg\_stat\_statements.%';
SET log_statement = 'ddl';
SELECT setting FROM smsr.check_logging() WHERE setting = 'log_statement';
SET log_min_duration_statement = 0;
SET log_parameter_max_length_on_error = 10;
SET debug_print_plan = on;
SET log_min_messages = 'debug2';
SELECT setting, value FROM smsr.check_logging() WHERE setting NOT LIKE 'pg\_stat\_statements.%';
-- it is not bound parameters alone
SET log_parameter_max_length = 0;
SELECT setting, value FROM smsr.check_logging() WHERE setting LIKE 'log%' AND setting LIKE '%\_len%';
-- whoever imports keys is told, once a backend
\c -
SET log_statement = 'mod';
SELECT path AS dir FROM key_dir \gset
SELECT smsr.import_transport_key_file('1.3.6.1.4.1.99999.3', 'aes-kw', :'dir' || '/transport');
SELECT smsr.import_transport_key_file('1.3.6.1.4.1.99999.3', 'aes-kw', :'dir' || '/transport');
\c -
SET log_statement = 'none';
SELECT smsr.import_transport_key_file('1.3.6.1.4.1.99999.3', 'aes-kw', :'dir' || '/transport');
SET client_min_messages = warning;

-- ---- no trace ----

DROP OWNED BY regress_smsr_keys;
DROP ROLE regress_smsr_keys;
DROP VIEW card;
DROP TABLE packet;
DELETE FROM smsr.euicc;
DELETE FROM smsr.transport_key;
DELETE FROM smsr.storage_key;
ALTER SYSTEM RESET smsr.kek_file;
SELECT pg_reload_conf();
SELECT in_dir(format('rm -rf %s/smsr_keystore_test "$PWD"', current_setting('data_directory')));
DROP VIEW keystore;
DROP FUNCTION try_file, try, in_dir;
DROP TABLE key_dir;
