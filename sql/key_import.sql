-- Keys that people bring: ceremonies of several, master keys, files of key sets,
-- second persons; and what an auditor is shown of them.
\set ECHO none
\i sql/card.psql
\set ECHO all
\set VERBOSITY terse
\pset null '(null)'

CREATE ROLE regress_smsr_kc_one LOGIN;
CREATE ROLE regress_smsr_kc_two LOGIN;
CREATE ROLE regress_smsr_kc_three LOGIN;
-- what smsr.install_roles() gives a key officer
CREATE ROLE regress_smsr_kc NOLOGIN;
GRANT regress_smsr_kc TO regress_smsr_kc_one, regress_smsr_kc_two, regress_smsr_kc_three;
GRANT USAGE ON SCHEMA smsr, card TO regress_smsr_kc;
GRANT SELECT ON ALL TABLES IN SCHEMA card TO regress_smsr_kc;
DO $$
DECLARE
	f regprocedure;
BEGIN
	FOR f IN SELECT p.oid FROM smsr.shipped_functions() s JOIN pg_proc p ON p.pronamespace = 'smsr'::regnamespace AND p.proname = s.function_name
		WHERE s.role_name = 'smsr_key_officer' LOOP
		EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO regress_smsr_kc', f);
	END LOOP;
END $$;
CREATE FUNCTION card.says(statement text) RETURNS text LANGUAGE sql AS $$
	SELECT regexp_replace(replace(card.try(statement), (SELECT path FROM card.directory), 'DIR'), '[0-9]{6,}', 'N', 'g')
$$;

-- 000102..0F in three components, 404142..4F in two, and what is not right
SELECT card.in_directory('mkdir keys; cd keys;
	printf 5a1b0cd4e7733b90aa2f41f08d6e17c3 >one; printf c07e99ab53d2f0184be16c2a90f4d735 >two; printf 9a64977cb0a4cd8fe9c727d11197cef9 >three;
	printf 00000000000000000000000000000000 >zeros; printf 5a1b0cd4e7733b90aa2f41f08d6e17c3c07e99ab53d2f018 >long; cp one open; chmod 644 open;
	printf 404142434445464748494a4b4c4d4e4f >gp; printf 404142434445464748494a4b4c4d4e4f5051525354555657 >gp24;
	printf 7cba382c8e8833dbae62678f2aba3f19 >own; cp gp ../outside') AS written \gset
SELECT path || '/keys' AS keys FROM card.directory \gset

-- ---- whose files: only a superuser's without a directory for them, which is set ----

SET SESSION AUTHORIZATION regress_smsr_kc_one;
SELECT card.says(format('SELECT smsr.import_transport_key_file(''1.3.6.1.4.1.99999.1'', ''aes-kw'', %L)', :'keys' || '/gp'));
RESET SESSION AUTHORIZATION;
ALTER SYSTEM SET smsr.key_directory = :'keys';
\setenv SMSR_KEYS :keys
SELECT pg_reload_conf() AS reloaded \gset
\! until [ "$(psql -XAtqc 'LOAD $$smsr$$; SHOW smsr.key_directory' postgres)" = "$SMSR_KEYS" ]; do sleep 0.1; done
SET SESSION AUTHORIZATION regress_smsr_kc_one;
SELECT name, card.says(format('SELECT smsr.import_transport_key_file(''1.3.6.1.4.1.99999.1'', ''aes-kw'', %L)', :'keys' || '/' || name))
	FROM unnest(ARRAY['../outside', '../kek', 'open', 'missing']) AS name;
SELECT smsr.import_transport_key_file('1.3.6.1.4.1.99999.7', 'aes-kw', :'keys' || '/gp');
RESET SESSION AUTHORIZATION;

-- ---- a ceremony ----

SELECT what, card.says(call) FROM (VALUES
	('no EUM', 'SELECT smsr.begin_key_ceremony('''', ''aes-kw'', 2, ''\xc35280'')'),
	('mode none', 'SELECT smsr.begin_key_ceremony(''1.3'', ''none'', 2, ''\xc35280'')'),
	('one component', 'SELECT smsr.begin_key_ceremony(''1.3'', ''aes-kw'', 1, ''\xc35280'')'),
	('no check value', 'SELECT smsr.begin_key_ceremony(''1.3'', ''aes-kw'', 2, NULL)'),
	('two octets', 'SELECT smsr.begin_key_ceremony(''1.3'', ''aes-kw'', 2, ''\xc352'')'),
	('for ever', 'SELECT smsr.begin_key_ceremony(''1.3'', ''aes-kw'', 2, ''\xc35280'', ''1 year'')')) AS v (what, call);

CREATE FUNCTION card.enter(ceremony bigint, name text) RETURNS text LANGUAGE sql AS $$
	SELECT card.says(format('SELECT smsr.enter_key_component(%s, %L)', ceremony, (SELECT path || '/keys/' FROM card.directory) || name))
$$;
CREATE VIEW card.ceremonies AS
	SELECT c.kind, c.name, c.variant, c.state, regexp_replace(c.because, '[0-9]{6,}', 'N') AS because, c.begun_by,
		array_agg(k.entered_by ORDER BY k.number) FILTER (WHERE k.number IS NOT NULL) AS people,
		array_agg(encode(k.check_value, 'hex') ORDER BY k.number) FILTER (WHERE k.number IS NOT NULL) AS check_values, count(k.sealed) AS sealed
	FROM smsr.key_ceremony c LEFT JOIN smsr.key_component k ON k.ceremony_id = c.id
	GROUP BY c.id ORDER BY c.id;

SET SESSION AUTHORIZATION regress_smsr_kc_one;
SELECT smsr.begin_key_ceremony('1.3.6.1.4.1.99999.1', 'aes-ecb-pkcs7', 3, '\xc35280') AS ceremony \gset
SELECT card.says(format('SELECT smsr.enter_key_component(%s)', :ceremony));
SELECT card.says(format('SELECT smsr.enter_key_component(%s, %L, ''\x00'')', :ceremony, :'keys' || '/one'));
SELECT card.enter(:ceremony, '../outside');
SELECT card.enter(:ceremony, 'one');
SELECT card.enter(:ceremony, 'two');
-- another role of the same login
SET ROLE regress_smsr_kc;
SELECT card.enter(:ceremony, 'two');
RESET ROLE;
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_smsr_kc_two;
SELECT card.enter(:ceremony, 'one');
SELECT card.enter(:ceremony, 'long');
SELECT card.enter(:ceremony, 'two');
RESET SESSION AUTHORIZATION;
-- the same role, by whoever logged in
SET ROLE regress_smsr_kc_one;
SELECT card.enter(:ceremony, 'three');
RESET ROLE;
-- nothing of the key is there yet; a rotation goes on meanwhile
SELECT count(*) FROM smsr.transport_key WHERE mode = 'aes-ecb-pkcs7';
SELECT state, people, check_values, sealed FROM card.ceremonies;
SELECT smsr.create_storage_key() - :storage_key AS created;
SELECT components, master_keys FROM smsr.storage_key_use ORDER BY id;
SELECT smsr.reseal_keys();
SELECT components, master_keys FROM smsr.storage_key_use ORDER BY id;
SET SESSION AUTHORIZATION regress_smsr_kc_three;
SELECT card.enter(:ceremony, 'three');
SELECT card.enter(:ceremony, 'three');
RESET SESSION AUTHORIZATION;
SELECT * FROM card.ceremonies;
SELECT eum_id, id, mode, check_value, custodians, ceremony_id = :ceremony AS ceremony FROM smsr.transport_key ORDER BY eum_id, id;
-- it is the key: what is wrapped under it comes in, whether it was padded or not
SELECT smsr.register_eis(replace(replace(replace(document::text, 'AAB78636E825A093D6323F6BF0C64FB2', 'ABA4BA59801D3DCF4088CD666EE6FE1C'),
	'F6211271F9E372580A84F416FBADBA6F', '9D7673CE14EA635B6BCFCEF9FE6A92A0954F64F2E4E86E9EEE82D20216684899'),
	'6F9B5DF8E1DA1E9E074982E5CE86AA67', '2A83C249703AF6B95BA1C294BFF5FBB2')::xml) FROM card.euicc WHERE n = 1;
SELECT kvn, type, check_values, origin, custodian FROM smsr.keyset;
SELECT smsr.seal_command(eid, sd_aid, kvn, key_type, sealed, '\x1639', '\x000001', 7, '\x00')
	= smsr.scp80_command('\x1639', '\x22', '\x22', '\x000001', 7, c.kic, c.kid, '\x00') AS same
	FROM smsr.keyset JOIN card.euicc c USING (eid);
-- a document of before comes in under the former key
SELECT smsr.register_eis(document) FROM card.euicc WHERE n = 2;

-- another key than its check value says; nothing but zeros; an end; too late; not there
SELECT smsr.begin_key_ceremony('1.3.6.1.4.1.99999.1', 'aes-kw', 2, '\xc35280') AS wrong,
	smsr.begin_master_key_ceremony('zeros', 'kdf3', 3, '\xc35280') AS zeros,
	smsr.begin_key_ceremony('1.3.6.1.4.1.99999.1', 'aes-kw', 2, '\xc35280') AS stopped,
	smsr.begin_key_ceremony('1.3.6.1.4.1.99999.1', 'aes-kw', 2, '\xc35280') AS late,
	smsr.begin_key_ceremony('1.3.6.1.4.1.99999.1', 'aes-kw', 2, '\xc35280') AS forgotten,
	smsr.begin_master_key_ceremony('legacy', 'visa2', 2, '\x8baf47') AS legacy \gset
SET SESSION AUTHORIZATION regress_smsr_kc_one;
SELECT card.enter(:wrong, 'one'), card.enter(:stopped, 'one'), card.enter(:late, 'one'), card.enter(:forgotten, 'one');
SELECT card.enter(:zeros, 'one');
-- a component for two keys of DES has two
SELECT card.enter(:legacy, 'long');
SELECT card.enter(:legacy, 'gp');
SELECT smsr.abort_key_ceremony(:stopped, 'the envelope was open');
RESET SESSION AUTHORIZATION;
UPDATE smsr.key_ceremony SET expires_at = now() WHERE id IN (:late, :forgotten);
SET SESSION AUTHORIZATION regress_smsr_kc_two;
SELECT card.enter(:wrong, 'two');
SELECT card.enter(:wrong, 'two');
SELECT card.enter(:stopped, 'two');
SELECT card.says(format('SELECT smsr.abort_key_ceremony(%s)', :stopped));
SELECT card.enter(:late, 'two');
SELECT card.enter(1, 'two');
SELECT card.enter(:legacy, 'zeros');
RESET SESSION AUTHORIZATION;
BEGIN;
SELECT smsr.maintain() IS NOT NULL AS maintained;
SELECT state, sealed FROM card.ceremonies WHERE state IN ('open', 'expired');
ROLLBACK;
SELECT smsr.expire_key_ceremonies();
-- the third component of three that cancel each other
INSERT INTO smsr.key_component (ceremony_id, number, sealed, check_value, entered_by, session_by)
	SELECT :zeros, 2, k.sealed, '\x000001', 'x', 'x' FROM smsr.seal_key_file('component', :zeros::text, 'master kdf3', 2::smallint, :'keys' || '/zeros') k;
UPDATE smsr.key_component SET check_value = '\x000002' WHERE ceremony_id = :zeros AND number = 1;
SET SESSION AUTHORIZATION regress_smsr_kc_two;
SELECT card.enter(:zeros, 'one');
RESET SESSION AUTHORIZATION;
SELECT kind, name, state, because, people, sealed FROM card.ceremonies;
SELECT count(*) FROM smsr.transport_key WHERE mode = 'aes-kw' AND eum_id = '1.3.6.1.4.1.99999.1';
SELECT count(*) FROM smsr.key_component WHERE sealed IS NOT NULL;
-- a component that was moved to another ceremony does not open there
BEGIN;
SELECT smsr.begin_key_ceremony('1.3.6.1.4.1.99999.1', 'aes-kw', 2, '\xc35280') AS a, smsr.begin_key_ceremony('1.3.6.1.4.1.99999.1', 'aes-kw', 2, '\xc35280') AS b \gset
SET LOCAL SESSION AUTHORIZATION regress_smsr_kc_one;
SELECT card.enter(:a, 'one');
RESET SESSION AUTHORIZATION;
UPDATE smsr.key_component SET ceremony_id = :b WHERE ceremony_id = :a;
SET LOCAL SESSION AUTHORIZATION regress_smsr_kc_two;
SELECT card.enter(:b, 'two');
ROLLBACK;

-- ---- master keys ----

SELECT card.says(call) FROM (VALUES
	('SELECT smsr.import_master_key_file(''m'', ''kdf2'', ''/nowhere'')'),
	('SELECT smsr.import_master_key_file('''', ''kdf3'', ''/nowhere'')'),
	('SELECT smsr.import_master_key_file(''m'', ''kdf3'', NULL)'),
	('SELECT smsr.import_master_key_file(''legacy'', ''kdf3'', ''/nowhere'')'),
	('SELECT smsr.import_master_key_file(''m'', ''emv-cps11'', ''' || :'keys' || '/gp24'')'),
	('SELECT smsr.import_master_key(''m'', ''kdf3'', ''\x00'', NULL)'),
	('SELECT smsr.import_master_key(''m'', ''kdf3'', ''\x0011223344556677'', ''\x504a77'')'),
	('SELECT smsr.destroy_master_key(''m'')'),
	('INSERT INTO smsr.master_key (name, scheme, allowed_use, sealed, check_value) VALUES (''m'', ''kdf3'', ''send'', ''\x00'', ''\x000000'')'),
	('SELECT smsr.derive_keyset(card.eid(), ''A0000005591010FFFFFFFF8900000100'', 1::smallint, ''SCP80'', ''another'', scheme, sealed, NULL, NULL, NULL)
		FROM smsr.master_key WHERE name = ''legacy''')) AS v (call);
SET SESSION AUTHORIZATION regress_smsr_kc_one;
SELECT smsr.import_master_key_file('batch 7', 'kdf3', :'keys' || '/gp'), smsr.import_master_key_file('emv', 'emv-cps11', :'keys' || '/gp'),
	smsr.import_master_key_file('by EID', 'eid-cmac', :'keys' || '/own'), smsr.import_master_key_file('gone', 'kdf3', :'keys' || '/gp');
SELECT smsr.destroy_master_key('gone');
SELECT card.says('SELECT smsr.destroy_master_key(''gone'')');
RESET SESSION AUTHORIZATION;
SELECT name, scheme, allowed_use, length(sealed) AS sealed, check_value, custodians, destroyed_at IS NOT NULL AS destroyed, ceremony_id IS NOT NULL AS ceremony
	FROM smsr.master_key ORDER BY name;

-- ---- a file of key sets ----

COPY smsr.key_inbox (eid, kvn, type, master, kdd, key_length, keys, key_types, check_values, counter) FROM stdin (FORMAT csv);
89049032001000000100000090000151,3,SCP80,batch 7,00010203040506070809,,,,e79c05d1bd773fde8c,5
89049032001000000100000090000151,4,SCP80,by EID,,16,,,e853cc 3ff206 1939e4,
89049032001000000100000090000151,48,,emv,00010203040506070809,,,,C33013,
89049032001000000100000090000151,5,,legacy,00010203040506070809,,,,,
89049032001000000100000090000248,3,SCP80,,,,a0a1,,,
89049032001000000100000090000248,4,SCP80,,,,5e18d1fef61d087ec0a33ed734a7918f e315209ed0e7c94f74a65c99f6eadc1e ad393003d3e6bc5268f0d833e0050b78,88,ee72cb49b6d5fb9292,
89049032001000000100000090000248,64,,,,,5e18d1fef61d087ec0a33ed734a7918f e315209ed0e7c94f74a65c99f6eadc1e,,000000 49b6d5,
89049032001000000100000090000248,65,SCP81,,,,5e18d1fef61d087ec0a33ed734a7918f,,,
89049032001000000100000090000152,3,SCP80,batch 7,00010203040506070809,,,,,
89049032001000000100000090000345,3,SCP80,batch 7,00010203040506070809,,,,,
,3,SCP80,batch 7,00010203040506070809,,,,,
89049032001000000100000090000248,0,SCP80,batch 7,00010203040506070809,,,,,
89049032001000000100000090000248,x,SCP80,batch 7,00010203040506070809,,,,,
89049032001000000100000090000248,16,,batch 7,00010203040506070809,,,,,
89049032001000000100000090000248,16,SCP80,batch 7,00010203040506070809,,,,,
89049032001000000100000090000248,7,CA,batch 7,00010203040506070809,,,,,
89049032001000000100000090000248,2,SCP80,batch 7,00010203040506070809,,,,,
89049032001000000100000090000248,7,SCP80,batch 7,00010203040506070809,,,,,1099511627776
89049032001000000100000090000248,7,SCP80,batch 7,00010203040506070809,,,,,-1
89049032001000000100000090000248,7,SCP80,,00010203040506070809,,,,,
89049032001000000100000090000248,7,SCP80,batch 7,00010203040506070809,,a0,,,
89049032001000000100000090000248,7,SCP80,batch 8,00010203040506070809,,,,,
89049032001000000100000090000248,7,SCP80,gone,00010203040506070809,,,,,
89049032001000000100000090000248,8,SCP80,batch 7,000102030405060708,,,,,
89049032001000000100000090000248,9,SCP80,batch 7,0001020304050607080X,,,,,
89049032001000000100000090000248,10,SCP80,batch 7,,,,,,
89049032001000000100000090000248,11,SCP80,batch 7,00010203040506070809,32,,,,
89049032001000000100000090000248,12,SCP80,by EID,00010203040506070809,,,,,
89049032001000000100000090000248,13,SCP80,by EID,,17,,,,
89049032001000000100000090000248,66,SCP81,by EID,,,,,,
89049032001000000100000090000248,14,SCP80,batch 7,00010203040506070809,,,,e79c05d1bd773fde8d,
89049032001000000100000090000248,15,SCP80,batch 7,00010203040506070809,,,,e79c,
89049032001000000100000090000248,49,SCP03,batch 7,00010203040506070809,,,,e79c05d1bd773fde8ce79c05,
89049032001000000100000090000248,50,SCP03,,,,5e18d1fef61d087ec0a33ed734a7918f,,,
89049032001000000100000090000248,51,SCP03,,,,5e18d1fef61d087ec0a33ed734a7918f,,b88291,
89049032001000000100000090000248,52,SCP03,,,,5e18d1fef61d087ec0a33ed734a7918f,,ee72cc,
89049032001000000100000090000248,53,SCP03,,,,5e18d1fef61d087ec0a33ed734a7918f,85,ee72cb,
89049032001000000100000090000248,54,SCP03,,,,5e18d1fef61d087ec0a33ed734a7918f,88 88,ee72cb,
89049032001000000100000090000248,55,SCP03,,,,5e18d1fef61d087ec0a33ed734a7918f,8,ee72cb,
89049032001000000100000090000248,56,SCP03,,,,5e18d1fef61d087ec0a33ed734a7918f,,ee72cb49b6d5,
89049032001000000100000090000248,57,SCP03,,,,5e18d1fef61d087ec0a33ed734a7918f 5e18d1fef61d087ec0a33ed734a7918f 5e18d1fef61d087ec0a33ed734a7918f 5e18d1fef61d087ec0a33ed734a7918f,,ee72cb,
89049032001000000100000090000248,58,SCP03,,,,5e18d1fef61d087ec0a33ed734a79,,ee72cb,
89049032001000000100000090000248,6,SCP80,,,,5e18d1fef61d087ec0a33ed734a7918f,,ee72cb,
89049032001000000100000090000248,4,SCP80,by EID,,,,,,
89049032001000000100000090000248,59,SCP03,,,,e315209ed0e7c94f74a65c99f6eadc1e56679fe33a57fe25a95b309b37698a6a,80,ee72cb,
\.
SELECT count(*) FROM smsr.key_inbox;
SELECT imported, rejected FROM smsr.import_keys();
SELECT count(*) FROM smsr.key_inbox;
SELECT r.line - min(r.line) OVER () AS line, right(r.eid, 4) AS eid, r.kvn, r.reason FROM smsr.key_reject r ORDER BY r.line;
SELECT right(eid::text, 4) AS eid, kvn, type, to_hex(key_type::int) AS key_type, counter, first_counter, check_values, length(sealed) AS sealed, origin, state, custodian
	FROM smsr.keyset WHERE origin = 'import' ORDER BY eid, kvn;
-- they are those keys
SELECT right(k.eid::text, 4) AS eid, k.kvn, smsr.seal_command(k.eid, k.sd_aid, k.kvn, k.key_type, k.sealed, '\x1639', '\x000001', 7, '\x00')
	= smsr.scp80_command('\x1639', v.kic, v.kic, '\x000001', 7, v.enc, v.mac, '\x00') AS same
	FROM smsr.keyset k JOIN (VALUES
		('151', 3, '\x32'::bytea, '\x808bc985a1069ad2a9ac94e0fe7b8843'::bytea, '\x65942e0bf4f3f32aefacba5671456275'::bytea),
		('151', 4, '\x42', '\x0986e38fc0e9b1cc46f712030986ab9f', '\xe178ea13b2fa19e57a8fc03145b8a41c'),
		('151', 5, '\x55', '\x8510fc973208218ca86888bcec203635', '\x1068b5fb6f06c78c7a4dfc343b21c78f'),
		('248', 4, '\x42', '\xa0a1a2a3a4a5a6a7a8a9aaabacadaeaf', '\xb0b1b2b3b4b5b6b7b8b9babbbcbdbebf')) AS v (card, kvn, kic, enc, mac)
		ON k.eid::text LIKE '%' || v.card AND k.kvn = v.kvn ORDER BY 1, 2;
SELECT name, derived FROM smsr.master_key ORDER BY name;
SELECT right(eid::text, 4) AS eid, details FROM smsr.audit_trail WHERE function = 'import_keys' AND eid IS NOT NULL ORDER BY eid, number;
-- a key that was rejected is nowhere
SELECT count(*) FROM smsr.key_reject r WHERE r::text ~* '5e18d1fe|a0a1';
-- rejects do not stand in the way of the next file; nothing is no error
SELECT imported, rejected FROM smsr.import_keys();
INSERT INTO smsr.key_inbox (eid, kvn, master, kdd) SELECT eid, 3, 'batch 7', '00010203040506070809' FROM card.euicc;
SELECT imported, rejected FROM smsr.import_keys();
-- no file brings keys in clear, whatever the EUM's documents do
SELECT smsr.import_transport_key('1.3.6.1.4.1.99999.1', 'none') IS NOT NULL AS none;
INSERT INTO smsr.key_inbox (eid, kvn, keys, check_values) VALUES (card.eid(), 60, 'a0a1a2a3a4a5a6a7a8a9aaabacadaeaf', 'ee72cb');
SELECT imported, rejected FROM smsr.import_keys();
SELECT reason FROM smsr.key_reject ORDER BY line DESC LIMIT 1;

-- a key whose time is over unwraps nothing any more
SELECT card.says('SELECT smsr.expire_transport_key(''1.3.6.1.4.1.99999.1'', 9::smallint)');
SELECT card.says('SELECT smsr.expire_transport_key(''1.3.6.1.4.1.99999.1'', 2::smallint, now() - interval ''1 s'')');
BEGIN;
SELECT smsr.expire_transport_key('1.3.6.1.4.1.99999.1', 2::smallint), smsr.expire_transport_key('1.3.6.1.4.1.99999.1', 3::smallint, 'infinity');
SELECT id, valid_until > now() AS valid FROM smsr.transport_key WHERE eum_id = '1.3.6.1.4.1.99999.1' ORDER BY id;
SELECT card.says('SELECT smsr.expire_transport_key(''1.3.6.1.4.1.99999.1'', 2::smallint)');
SELECT reason FROM smsr.unwrap_keyset(card.eid(2), 'A0000005591010FFFFFFFF8900000100', 5::smallint, 'SCP03', '1.3.6.1.4.1.99999.1',
	'5e18d1fef61d087ec0a33ed734a7918f', NULL, 'ee72cb');
ROLLBACK;

-- ---- are they the ones? ----

SELECT * FROM smsr.check_key_values();
BEGIN;
INSERT INTO smsr.key_inbox (eid, kvn, check_values) VALUES
	(card.eid(), 3, 'E79C05 D1BD77 3FDE8C'), (card.eid(), 3, 'e79c05'), (card.eid(), 3, 'e79c06'), (card.eid(), 9, 'e79c05'),
	(card.eid(), 4, 'e853'), (card.eid(2), 3, 'e79c05d1bd773fde8c00'), ('x', 1, '000000');
UPDATE smsr.keyset SET check_values = overlay(check_values PLACING '\x00' FROM 9) WHERE eid = card.eid() AND kvn IN (4, 48);
UPDATE smsr.keyset SET kvn = 6 WHERE eid = card.eid(2) AND kvn = 4;
UPDATE smsr.keyset SET check_values = overlay(check_values PLACING '\x00' FROM 4) WHERE eid = card.eid(2) AND kvn = 64;
SELECT right(eid::text, 4) AS eid, kvn, line - min(line) OVER () AS line, what FROM smsr.check_key_values() ORDER BY 1, 2, 3, 4;
SELECT right(eid::text, 4) AS eid, count(*) FROM smsr.check_key_values(ARRAY[card.eid(2)]) GROUP BY 1;
ROLLBACK;

-- ---- a second person ----

SELECT function, smsr.set_approval_rule(function, 'regress_smsr_kc') FROM unnest(ARRAY['create_storage_key', 'import_transport_key', 'import_transport_key_file',
	'advance_counters', 'rewrap_storage_keys', 'destroy_storage_key', 'import_master_key_file', 'destroy_master_key', 'import_keys', 'expire_transport_key']) AS function;
CREATE FUNCTION card.second(call text) RETURNS TABLE (asked text, approved int, what text, again text, acted text, once_more text) LANGUAGE plpgsql AS $$
DECLARE
	held smsr.approval;
BEGIN
	SET LOCAL SESSION AUTHORIZATION regress_smsr_kc_one;
	EXECUTE 'SELECT (' || call || ')::text' INTO asked;
	EXECUTE 'SELECT (' || call || ')::text' INTO again;
	RESET SESSION AUTHORIZATION;
	SELECT * INTO held FROM smsr.approval a WHERE a.decision IS NULL ORDER BY a.id DESC LIMIT 1;
	what := regexp_replace(held.what, '[0-9a-f]{64}', 'DIGEST');
	SET LOCAL SESSION AUTHORIZATION regress_smsr_kc_two;
	approved := smsr.approve(held.id, 'seen');
	RESET SESSION AUTHORIZATION;
	SET LOCAL SESSION AUTHORIZATION regress_smsr_kc_one;
	EXECUTE 'SELECT (' || call || ')::text' INTO acted;
	BEGIN
		EXECUTE 'SELECT (' || call || ')::text' INTO once_more;
	EXCEPTION WHEN OTHERS THEN
		once_more := SQLERRM;
	END;
	RESET SESSION AUTHORIZATION;
	RETURN NEXT;
END $$;
-- a loop of calls by people who log in one after another is for a superuser only to play
ALTER FUNCTION card.second(text) OWNER TO CURRENT_USER;
CREATE TABLE card.before AS SELECT counter FROM smsr.keyset WHERE eid = card.eid() AND kvn = 2;
SELECT asked, again, what, acted IS NOT NULL AS acted, once_more FROM card.second('smsr.create_storage_key()');
SELECT asked, again, what, acted, once_more FROM card.second('smsr.import_transport_key(''1.3.6.1.4.1.99999.6'', ''none'')');
SELECT asked, again, what, acted, once_more FROM card.second('smsr.import_transport_key_file(''1.3.6.1.4.1.99999.6'', ''aes-kwp'', ''' || :'keys' || '/gp'')');
SELECT asked, again, what, acted, once_more FROM card.second('smsr.advance_counters(100)');
SELECT asked, again, what, acted::int > 1 AS acted, once_more FROM card.second('smsr.rewrap_storage_keys()');
SELECT asked, again, what, acted, once_more FROM card.second('smsr.import_master_key_file(''two'', ''kdf3'', ''' || :'keys' || '/gp24'')');
SELECT asked, again, what, acted, once_more FROM card.second('smsr.destroy_master_key(''two'')');
SELECT asked, again, what, acted, once_more FROM card.second('smsr.expire_transport_key(''1.3.6.1.4.1.99999.6'', 1::smallint)');
INSERT INTO smsr.key_inbox (eid, kvn, master, kdd) VALUES (card.eid(2), 9, 'batch 7', '00010203040506070809');
SELECT asked, again, what, acted, once_more FROM card.second('(SELECT i.imported FROM smsr.import_keys() AS i)');
SELECT k.counter - b.counter AS advanced FROM smsr.keyset k, card.before b WHERE k.eid = card.eid() AND k.kvn = 2;
-- what was approved is those lines, and that key
INSERT INTO smsr.key_inbox (eid, kvn, master, kdd) VALUES (card.eid(2), 10, 'batch 7', '00010203040506070809');
SET SESSION AUTHORIZATION regress_smsr_kc_one;
SELECT smsr.import_keys();
SELECT smsr.import_transport_key_file('1.3.6.1.4.1.99999.6', 'aes-kwp', :'keys' || '/own');
RESET SESSION AUTHORIZATION;
SELECT array_agg(id) AS held FROM smsr.approval WHERE decision IS NULL \gset
SET SESSION AUTHORIZATION regress_smsr_kc_two;
SELECT count(smsr.approve(id)) FROM unnest(:'held'::bigint[]) AS id;
RESET SESSION AUTHORIZATION;
UPDATE smsr.key_inbox SET kdd = '00010203040506070800';
SELECT card.in_directory('cp keys/gp keys/own') AS replaced \gset
SET SESSION AUTHORIZATION regress_smsr_kc_one;
SELECT smsr.import_keys();
SELECT smsr.import_transport_key_file('1.3.6.1.4.1.99999.6', 'aes-kwp', :'keys' || '/own');
RESET SESSION AUTHORIZATION;
SELECT count(*) FROM smsr.keyset WHERE kvn = 10;
DELETE FROM smsr.key_inbox;

-- whatever is sealed goes with a rotation
SELECT smsr.reseal_keys();
SELECT state, key_sets > 0 AS key_sets, transport_keys, master_keys, components FROM smsr.storage_key_use ORDER BY id;
SELECT smsr.try_eid('x') IS NULL AS none, (smsr.derive_keyset(card.eid(), 'A0000005591010FFFFFFFF8900000100', 1::smallint, 'SCP80', name, scheme, sealed,
	'00010203040506070809', NULL, 'e79c05')).check_values FROM smsr.master_key WHERE name = 'batch 7';

-- ---- who did what: this SM-SR's own chain ----

SELECT number - min(number) OVER () AS n, function, operation_type, status, requester_id = smsr.setting('smsr_id') AS own, requested_by, approved_by,
	regexp_replace((details - 'kek' - 'storage_key' - 'active' - CASE function WHEN 'create_storage_key' THEN 'check_value' ELSE '' END)::text, '"(ceremony|digest)": ("[0-9a-f]+"|[0-9]+)', '"\1": N', 'g') AS details
	FROM smsr.audit_trail WHERE eid IS NULL AND operation_type BETWEEN '\xff40' AND '\xff4f' ORDER BY number;
SELECT count(*) FROM smsr.audit_verify();

-- ---- what an auditor is shown ----

SET ROLE regress_smsr_kc;
SELECT level, CASE level WHEN 'storage key' THEN 'N' ELSE name END AS name, right(eid::text, 4) AS eid, kvn, type,
	CASE level WHEN 'storage key' THEN length(check_values)::text ELSE encode(check_values, 'hex') END AS check_values, state,
	regexp_replace(origin, '[0-9]+', 'N') AS origin, use_count, custodians, approval_id IS NOT NULL AS approved, approved_by,
	regexp_replace(protected_by, 'aes:.*', 'aes:NAME') ~ '^(storage key [0-9]+|aes:NAME)$' AS protected
	FROM smsr.key_evidence() ORDER BY level, CASE level WHEN 'storage key' THEN created_at END, name, eid, kvn;
SELECT count(*), count(DISTINCT eid) FROM smsr.key_evidence(card.eid());
RESET ROLE;
SELECT bool_and(age = now() - created_at AND age >= '0') FROM smsr.key_evidence();

-- ---- no trace ----

DELETE FROM smsr.approval_rule;
DELETE FROM smsr.approval;
DELETE FROM smsr.key_reject;
DELETE FROM smsr.key_ceremony;
DELETE FROM smsr.master_key;
ALTER SYSTEM RESET smsr.key_directory;
DROP OWNED BY regress_smsr_kc;
DROP ROLE regress_smsr_kc, regress_smsr_kc_one, regress_smsr_kc_two, regress_smsr_kc_three;
\set ECHO none
\i sql/card_end.psql
